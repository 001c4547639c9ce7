import type { Gpu } from '../adapter/gpu.js';
import { checkOptions } from '../option-checks.js';
import { Examiner, messageOf, type Run, throwIfLost } from './examiner.js';
import type { Tunable } from './recorder.js';
import { type Precautions, safeCandidates } from './risky-candidates.js';
import { TrialProcess } from './trial-process.js';
import { sameChoice, usualChoice } from './tunable.js';
import { adapterClock, type TuningClock } from './tuning-clock.js';

export interface TrialOptions extends Precautions {
  readonly effort: 'quick' | 'full';
  readonly clock: TuningClock;
}

export interface TrialResult {
  readonly choice: unknown;
  readonly milliseconds: number;
  /** The time of the default choice, if it is correct. */
  readonly firstMilliseconds: number | undefined;
}

/** `rounds`: how often each candidate is timed, unless `milliseconds` have passed before. */
const efforts = {
  quick: { candidates: 3, rounds: 10, milliseconds: 1500 },
  full: { candidates: Infinity, rounds: 30, milliseconds: 6000 },
} as const;

/** On a card, a turn is many runs, so this many turns are enough. */
const roundsOnCard = 8;

/** Candidates slower than the fastest by this factor are not timed again. */
const hopeless = 1.5;
/** The default stays unless another candidate takes less than this fraction of its time: noise must not decide. */
const clearly = 0.97;
/**
 * Finds the fastest choice of a tunable among those with the results of the plain one. Each is a separate program on
 * stand-ins for the external tensors. Returns undefined if the signal aborted it, or if there was no reference to
 * compare with.
 *
 * @throws AdapterError if the adapter is lost
 */
export async function runTrial(
  gpu: Gpu,
  tunable: Tunable<unknown>,
  options: TrialOptions,
): Promise<TrialResult | undefined> {
  const wanted = tunable.candidates.slice(0, efforts[options.effort].candidates);
  const candidates = await safeCandidates(gpu, tunable, wanted, options);
  return withRight(gpu, tunable, candidates, options, async (right) => {
    const racing = right.filter(({ choice }) => candidates.some((candidate) => sameChoice(candidate, choice)));
    // If no candidate is correct, the plain choice must be used.
    const times = await race(gpu, racing.length > 0 ? racing : right, options);
    return times && decide(times, usualChoice(gpu, tunable));
  });
}

/** A candidate's time, or why it has none. */
export type CandidateTiming =
  | { readonly choice: unknown; readonly milliseconds: number }
  | { readonly choice: unknown; readonly reason: string };

/** Options of {@link timeCandidates}. */
export interface TimeCandidatesOptions extends Partial<Pick<TrialOptions, 'clock' | 'cache' | 'signal'>> {
  /** For tests: the process in which risky candidates are tried. */
  readonly trialProcess?: TrialProcess | undefined;
}

/**
 * Times all choices of a tunable with the results of the plain one, including the plain one itself; very slow ones only
 * once, or twice on a card.
 *
 * @returns the fastest first, then those that failed, are wrong or are avoided
 * @throws AdapterError if the adapter is lost; ConfigError for an unknown option
 */
export async function timeCandidates(
  gpu: Gpu,
  tunable: Tunable<unknown>,
  given: TimeCandidatesOptions = {},
): Promise<CandidateTiming[]> {
  checkOptions('timeCandidates', given, ['clock', 'cache', 'signal', 'trialProcess']);
  const { clock = adapterClock, cache, signal, trialProcess = new TrialProcess(gpu) } = given;
  const dropped: CandidateTiming[] = [];
  const onDropped: TrialOptions['onDropped'] = (choice, reason) => dropped.push({ choice, reason });
  const options: TrialOptions = { effort: 'full', clock, cache, signal, trialProcess, onDropped };
  try {
    const candidates = await safeCandidates(gpu, tunable, tunable.candidates, options);
    const times = await withRight(gpu, tunable, candidates, options, (right) => race(gpu, right, options));
    const timed = [...(times ?? [])].sort(([, a], [, b]) => a - b);
    return [...timed.map(([{ choice }, milliseconds]) => ({ choice, milliseconds })), ...dropped];
  } finally {
    await trialProcess.end();
  }
}

/** Prepares the plain choice and the candidates, and passes on those with correct results, if there are any. */
async function withRight<Result>(
  gpu: Gpu,
  tunable: Tunable<unknown>,
  candidates: readonly unknown[],
  { signal, onDropped }: TrialOptions,
  use: (right: readonly Run[]) => Promise<Result | undefined>,
): Promise<Result | undefined> {
  const { plain } = tunable;
  const choices = [plain, ...candidates.filter((choice) => !sameChoice(choice, plain))];
  const examiner = new Examiner(gpu, tunable);
  try {
    const right: Run[] = [];
    for (const run of examiner.build(choices, onDropped)) {
      // Without a plain choice, there is nothing to compare with.
      if (signal?.aborted || !(examiner.hasReference || sameChoice(run.choice, plain))) return undefined;
      const fault = await examiner.faultOf(run);
      if (fault === undefined) right.push(run);
      else onDropped(run.choice, fault);
    }
    return right.length === 0 || signal?.aborted ? undefined : await use(right);
  } finally {
    examiner.dispose();
  }
}

/**
 * Times the choices in turn, so that other work affects all of them alike; the fastest run of each counts. Returns
 * undefined if the signal aborted it.
 */
async function race(
  gpu: Gpu,
  entrants: readonly Run[],
  { effort, clock, signal, onDropped }: TrialOptions,
): Promise<ReadonlyMap<Run, number> | undefined> {
  const { milliseconds, ...given } = efforts[effort];
  const onCard = gpu.description.kind === 'hardware';
  const rounds = onCard ? Math.min(roundsOnCard, given.rounds) : given.rounds;
  const best = new Map<Run, number>();
  let racing = [...entrants];
  const start = clock.now();
  for (let round = 0; round < rounds && (round === 0 || clock.now() - start < milliseconds); round++) {
    for (const run of racing) {
      if (signal?.aborted) return undefined;
      try {
        best.set(run, Math.min(best.get(run) ?? Infinity, await clock.time(gpu, run)));
      } catch (error) {
        await throwIfLost(gpu);
        best.delete(run);
        racing = racing.filter((other) => other !== run);
        onDropped(run.choice, messageOf(error));
      }
    }
    // The card may have been slow to speed up, so the first round never eliminates a candidate.
    if (round === 0 && onCard) continue;
    const slowest = hopeless * Math.min(...best.values());
    racing = racing.filter((run) => (best.get(run) ?? Infinity) <= slowest);
    if (racing.length <= 1) break;
  }
  return best;
}

/** The fastest choice, or the default if none is clearly faster. */
function decide(times: ReadonlyMap<Run, number>, usual: unknown): TrialResult | undefined {
  const [winner, ...others] = [...times].sort(([, a], [, b]) => a - b);
  if (!winner) return undefined;
  const [{ choice }, milliseconds] = winner;
  const incumbent = [winner, ...others].find(([run]) => sameChoice(run.choice, usual));
  const firstMilliseconds = incumbent?.[1];
  return firstMilliseconds !== undefined && milliseconds > clearly * firstMilliseconds
    ? { choice: usual, milliseconds: firstMilliseconds, firstMilliseconds }
    : { choice, milliseconds, firstMilliseconds };
}
