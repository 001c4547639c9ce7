import { ConfigError } from '@alex/tensor';
import { checkSchedule, type Recipe } from '@alex/trainer';
import { decimal } from './options.js';

type Schedule = Recipe['schedule'];

/** Number of parts of an exponential schedule: enough to be nearly smooth. */
const manyParts = 100;

/** Numbers separated by commas: nothing between two commas is not 0. */
const epochList = /^ *\d+(\.\d+)?( *, *\d+(\.\d+)?)* *$/;

const forms =
  'constant, plateau, step:30,60,80 (divided by 10 at each of these epochs), exponential:250 (the ratio of the first rate to the last), or JSON';

/**
 * A schedule as given on the command line: a word, or JSON as in a recipe.
 *
 * @throws ConfigError if it is neither
 */
export function parseSchedule(text: string): Schedule {
  const [kind, value] = text.trim().split(/:(.*)/s);
  const number = decimal(value ?? '');
  if (text.trim().startsWith('{')) return checkSchedule(`--schedule ${text}`, fromJson(text));
  if (kind === 'constant' && value === undefined) return { kind: 'step', factor: 1, epochs: [] };
  if (kind === 'plateau' && value === undefined) {
    // The paper's rule (section 5).
    return { kind: 'plateau', factor: 0.1, patience: 5, threshold: 0.001, drops: 3 };
  }
  if (kind === 'step' && value !== undefined && epochList.test(value)) {
    return checkSchedule(`--schedule ${text}`, { kind: 'step', factor: 0.1, epochs: value.split(',').map(Number) });
  }
  if (kind === 'exponential' && value !== undefined && number > 0 && number < Number.POSITIVE_INFINITY) {
    return { kind: 'exponential', factor: number, steps: manyParts };
  }
  throw new ConfigError(`--schedule ${text}: give ${forms}`);
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`--schedule ${text}: is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** The schedule options of the command line. */
export interface ScheduleOptions {
  readonly schedule?: string;
  readonly patience?: number;
  readonly threshold?: number;
  readonly scheduleEpochs?: number;
}

/**
 * A schedule with these options applied.
 *
 * @param own the recipe's, or the run's
 * @throws ConfigError for an option that the schedule does not have
 */
export function scheduleOf(options: ScheduleOptions, own: Schedule): Schedule {
  const { patience, threshold, scheduleEpochs } = options;
  let schedule = options.schedule === undefined ? own : parseSchedule(options.schedule);
  if (patience !== undefined || threshold !== undefined) {
    if (schedule.kind !== 'plateau') {
      throw new ConfigError(
        `--patience and --threshold only work with the schedule plateau, but this one is ${schedule.kind}; omit them, or add --schedule plateau`,
      );
    }
    schedule = {
      ...schedule,
      ...(patience !== undefined && { patience }),
      ...(threshold !== undefined && { threshold }),
    };
  }
  if (scheduleEpochs === undefined) return schedule;
  if (schedule.kind !== 'exponential') {
    throw new ConfigError(
      `--schedule-epochs only works with the schedule exponential, but this one is ${schedule.kind}; omit it`,
    );
  }
  return { ...schedule, epochs: scheduleEpochs };
}
