import { exponentialSchedule, plateauSchedule, type Schedule, stepSchedule } from '@alex/optim';
import type { Recipe } from './config.js';

/** The schedule that a recipe names. */
export function scheduleOf({ learningRate, schedule }: Pick<Recipe, 'learningRate' | 'schedule'>): Schedule {
  switch (schedule.kind) {
    case 'step':
      return stepSchedule({ ...schedule, learningRate });
    case 'exponential':
      return exponentialSchedule({ ...schedule, learningRate });
    case 'plateau':
      return plateauSchedule({ ...schedule, learningRate });
  }
}
