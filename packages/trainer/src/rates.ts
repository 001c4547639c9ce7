import {
  exponentialSchedule,
  type Progress,
  plateauSchedule,
  type Schedule,
  stepSchedule,
  tableSchedule,
  warmUp,
} from '@alex/optim';
import type { StepOptions } from '@alex/tensor/network';
import type { Metrics } from './metrics.js';
import type { Recipe } from './recipe.js';

/** Settings that apply from a step on, until something is changed by hand. */
interface Stretch {
  readonly from: number;
  readonly general: Schedule;
  readonly factor: number;
  /** Planned length of the run. */
  readonly steps: number;
}

/** The parts of a recipe that change during training. */
export class Rates {
  readonly #stretches: readonly Stretch[];
  readonly #own: readonly (readonly [pattern: string, Schedule])[];
  readonly #colourStrength: Recipe['colourStrength'];
  readonly #factor: number;

  /**
   * @param factor multiplied with all rates
   * @throws ConfigError if a schedule is inconsistent
   */
  constructor(
    recipe: Pick<Recipe, 'learningRate' | 'schedule' | 'schedules' | 'warmUp' | 'colourStrength' | 'changes'> & {
      readonly steps?: number;
    },
    factor = 1,
  ) {
    const scheduleOf = (description: Recipe['schedule']): Schedule => {
      const schedule = planned(recipe.learningRate, description);
      return recipe.warmUp ? warmUp(schedule, recipe.warmUp) : schedule;
    };
    const { changes = [], steps: end = 1 } = recipe;
    const steps = changes.find((change) => change.steps)?.steps?.before ?? end;
    const stretches: Stretch[] = [{ from: 0, general: scheduleOf(recipe.schedule), factor: 1, steps }];
    for (const change of changes) {
      const last = stretches.at(-1)!;
      stretches.push({
        from: change.step,
        general: change.schedule ? scheduleOf(change.schedule) : last.general,
        factor: change.rateFactor,
        steps: change.steps?.after ?? last.steps,
      });
    }
    this.#stretches = stretches;
    this.#own = Object.entries(recipe.schedules ?? {}).map(([pattern, own]) => [pattern, scheduleOf(own)]);
    this.#colourStrength = recipe.colourStrength;
    this.#factor = factor;
  }

  /**
   * The rates of a step, counted from 0.
   *
   * @param epochOf passes over the training images after a number of steps
   */
  at(
    step: number,
    { epochOf, validationErrors }: Pick<Progress, 'validationErrors'> & { epochOf(step: number): number },
  ): Required<StepOptions> {
    const { general, factor, steps } = this.#stretches.findLast(({ from }) => step >= from)!;
    const progress = { epoch: epochOf(step), epochs: epochOf(steps), validationErrors };
    const rateOf = (schedule: Schedule) => this.#factor * factor * schedule.learningRate(progress);
    return {
      learningRate: rateOf(general),
      learningRates: Object.fromEntries(this.#own.map(([pattern, schedule]) => [pattern, rateOf(schedule)])),
    };
  }

  /** The strength of colour shifts, if the recipe changes it. */
  colourStrengthAt(epoch: number): number | undefined {
    return this.#colourStrength?.findLast(([from]) => epoch >= from)?.[1];
  }
}

/**
 * The validations of a run that a schedule may depend on. They exclude the one after the last step of a run that is
 * later extended, because it is not at the regular interval.
 */
export function errorsOf(validations: readonly Metrics[], { evaluateEvery }: Pick<Recipe, 'evaluateEvery'>): number[] {
  return validations.filter(({ step }) => step % evaluateEvery === 0).map(({ top1Error }) => top1Error);
}

function planned(learningRate: number, schedule: Recipe['schedule']): Schedule {
  switch (schedule.kind) {
    case 'step': {
      const { kind, ...options } = schedule;
      return stepSchedule({ ...options, learningRate });
    }
    case 'table': {
      const { kind, ...options } = schedule;
      return tableSchedule({ ...options, learningRate });
    }
    case 'exponential': {
      const { kind, ...options } = schedule;
      return exponentialSchedule({ ...options, learningRate });
    }
    case 'plateau': {
      const { kind, ...options } = schedule;
      return plateauSchedule({ ...options, learningRate });
    }
  }
}
