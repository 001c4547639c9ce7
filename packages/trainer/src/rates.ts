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
import type { Recipe } from './recipe.js';

/** The parts of a recipe that change while a run learns. */
export class Rates {
  readonly #general: Schedule;
  readonly #own: readonly (readonly [pattern: string, Schedule])[];
  readonly #colourStrength: Recipe['colourStrength'];
  readonly #factor: number;

  /**
   * @param factor what all rates are multiplied by
   * @throws ConfigError where a schedule does not hang together
   */
  constructor(
    recipe: Pick<Recipe, 'learningRate' | 'schedule' | 'schedules' | 'warmUp' | 'colourStrength'>,
    factor = 1,
  ) {
    const scheduleOf = (description: Recipe['schedule']): Schedule => {
      const schedule = planned(recipe.learningRate, description);
      return recipe.warmUp ? warmUp(schedule, recipe.warmUp) : schedule;
    };
    this.#general = scheduleOf(recipe.schedule);
    this.#own = Object.entries(recipe.schedules ?? {}).map(([pattern, own]) => [pattern, scheduleOf(own)]);
    this.#colourStrength = recipe.colourStrength;
    this.#factor = factor;
  }

  /** The rates of a step. */
  at(progress: Progress): Required<StepOptions> {
    const rateOf = (schedule: Schedule) => this.#factor * schedule.learningRate(progress);
    return {
      learningRate: rateOf(this.#general),
      learningRates: Object.fromEntries(this.#own.map(([pattern, schedule]) => [pattern, rateOf(schedule)])),
    };
  }

  /** How strongly colours are shifted, where the recipe changes that. */
  colourStrengthAt(epoch: number): number | undefined {
    return this.#colourStrength?.findLast(([from]) => epoch >= from)?.[1];
  }
}

function planned(learningRate: number, schedule: Recipe['schedule']): Schedule {
  switch (schedule.kind) {
    case 'step':
      return stepSchedule({ ...schedule, learningRate });
    case 'table':
      return tableSchedule({ ...schedule, learningRate });
    case 'exponential':
      return exponentialSchedule({ ...schedule, learningRate });
    case 'plateau':
      return plateauSchedule({ ...schedule, learningRate });
  }
}
