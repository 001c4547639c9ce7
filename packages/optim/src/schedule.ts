import { ConfigError } from '@alex/tensor';
import { checkNotNegative, checkPositive, checkWholeNumber } from '@alex/tensor/kernels';

/** How far a run has come: everything a schedule may look at, so that a resumed run continues as if never interrupted. */
export interface Progress {
  /** Passes over the training data since the start, with a fraction: 1.5 is the middle of the second. */
  readonly epoch: number;
  /** Passes the run is planned to take. */
  readonly epochs: number;
  /** One error for each validation so far, in order, as shares between 0 and 1. */
  readonly validationErrors: readonly number[];
}

/** A learning rate over the course of a run; a pure function of the progress, without a state of its own. */
export interface Schedule {
  readonly kind: string;
  learningRate(progress: Progress): number;
}

/**
 * Lowers the rate at given epochs: `learningRate` before the first, times `factor` for each that has been reached. With
 * no epochs the rate is constant.
 *
 * The 2012 code on the ILSVRC-2010 data: `stepSchedule({ learningRate: 0.01, factor: 0.1, epochs: [23, 51, 78] })`.
 *
 * @throws ConfigError where a number is not finite or negative, or the epochs do not rise.
 */
export function stepSchedule(options: {
  readonly learningRate: number;
  /** 0.1 where left out. */
  readonly factor?: number;
  readonly epochs: readonly number[];
}): Schedule {
  const { learningRate, factor = 0.1, epochs } = options;
  checkNumbers('stepSchedule', { learningRate, factor });
  epochs.forEach((epoch, index) => {
    checkNumbers('stepSchedule', { [`epochs[${index}]`]: epoch });
    if (index > 0 && epoch <= epochs[index - 1]!) {
      throw new ConfigError(`stepSchedule: epochs must rise, got ${epochs.join(', ')}`);
    }
  });
  return {
    kind: 'stepSchedule',
    learningRate: ({ epoch }) => learningRate * factor ** epochs.filter((boundary) => epoch >= boundary).length,
  };
}

/**
 * Lowers the rate in equal ratios over equal parts of the run: part `i` of `steps` (from 0) has the rate
 * `learningRate * factor ** (-i / (steps - 1))`, so the last has `learningRate / factor`. cuda-convnet2 calls it `dexp`
 * and trains its ImageNet nets by `exponentialSchedule({ learningRate: 0.01, factor: 250, steps: 4 })`: 0.01, 0.0015874,
 * 0.00025198, 0.00004.
 *
 * @throws ConfigError where a number is not finite, negative, a factor of 0, or `steps` is not a whole number above 1.
 */
export function exponentialSchedule(options: {
  readonly learningRate: number;
  /** The first rate over the last. */
  readonly factor: number;
  readonly steps: number;
  /** Passes over the training data in which it falls; afterwards the rate stays. Default: the whole run. */
  readonly epochs?: number;
}): Schedule {
  const { learningRate, factor, steps, epochs: length } = options;
  checkNumbers('exponentialSchedule', { learningRate, factor });
  if (length !== undefined) checkPositive('exponentialSchedule', 'epochs', length);
  checkPositive('exponentialSchedule', 'factor', factor);
  checkWholeNumber('exponentialSchedule', 'steps', steps, 2);
  return {
    kind: 'exponentialSchedule',
    learningRate: ({ epoch, epochs }) => {
      const part = Math.min(steps - 1, Math.floor((epoch / (length ?? epochs)) * steps));
      return learningRate * factor ** (-part / (steps - 1));
    },
  };
}

/**
 * The paper's rule (section 5), which its authors carried out by hand: divide the rate by 10 when the validation error
 * stops improving, three times at most.
 *
 * An error improves when it is below the best so far by more than `threshold`. After `patience` errors in a row that do
 * not, the rate is lowered and the count starts again, against the same best. A NaN never improves.
 *
 * @throws ConfigError where a number is not finite or negative, or `patience` or `drops` is not a whole number.
 */
export function plateauSchedule(options: {
  readonly learningRate: number;
  /** What a drop multiplies the rate by: 0.1 where left out. */
  readonly factor?: number;
  /** Errors without improvement before a drop: 5 where left out. */
  readonly patience?: number;
  /** As a share between 0 and 1: 0.001 where left out. */
  readonly threshold?: number;
  /** Drops at most: 3 where left out. */
  readonly drops?: number;
}): Schedule {
  const { learningRate, factor = 0.1, patience = 5, threshold = 0.001, drops = 3 } = options;
  checkNumbers('plateauSchedule', { learningRate, factor, threshold });
  checkWholeNumber('plateauSchedule', 'patience', patience);
  checkWholeNumber('plateauSchedule', 'drops', drops, 0);
  return {
    kind: 'plateauSchedule',
    learningRate: ({ validationErrors }) => {
      let best = Number.POSITIVE_INFINITY;
      let idle = 0;
      let dropped = 0;
      for (const error of validationErrors) {
        if (error < best - threshold) {
          best = error;
          idle = 0;
        } else if (++idle === patience) {
          dropped++;
          idle = 0;
        }
      }
      return learningRate * factor ** Math.min(dropped, drops);
    },
  };
}

/**
 * The rate as a table, as it was written down during a training: from each epoch on, `learningRate` times the factor
 * beside it.
 *
 * The first layer of the 2012 code on the ILSVRC-2010 data, which was slowed and at last kept as it was:
 * `tableSchedule({ learningRate: 0.01, factors: [[0, 1], [23, 0.1], [51, 0.01], [68, 0.001], [72, 0]] })`.
 *
 * @throws ConfigError where a number is not finite or negative, or the epochs do not begin with 0 and rise.
 */
export function tableSchedule(options: {
  readonly learningRate: number;
  /** Rows of an epoch and a factor. */
  readonly factors: readonly (readonly [epoch: number, factor: number])[];
}): Schedule {
  const { learningRate, factors } = options;
  checkNumbers('tableSchedule', { learningRate });
  factors.forEach(([epoch, factor], index) => {
    checkNumbers('tableSchedule', { [`factors[${index}][0]`]: epoch, [`factors[${index}][1]`]: factor });
  });
  const epochs = factors.map(([epoch]) => epoch);
  if (epochs[0] !== 0 || epochs.some((epoch, index) => index > 0 && epoch <= epochs[index - 1]!)) {
    throw new ConfigError(`tableSchedule: epochs must begin with 0 and rise, got ${epochs.join(', ') || 'none'}`);
  }
  return {
    kind: 'tableSchedule',
    learningRate: ({ epoch }) => learningRate * factors.findLast(([from]) => epoch >= from)![1],
  };
}

/**
 * Lets the rate of another schedule rise evenly over the first epochs, from its share `from` to all of it: for rates that
 * a network bears only once it has learnt a little, such as those of large batches (Goyal et al. 2017).
 *
 * @throws ConfigError where a number is not finite or negative, or `from` is above 1.
 */
export function warmUp(
  schedule: Schedule,
  { epochs, from }: { /** How long. */ readonly epochs: number; readonly from: number },
): Schedule {
  checkNumbers('warmUp', { epochs, from });
  if (from > 1) throw new ConfigError(`warmUp: from must be a share of the rate, at most 1, got ${from}`);
  return {
    kind: 'warmUp',
    learningRate: (progress) => {
      const rate = schedule.learningRate(progress);
      return progress.epoch < epochs ? rate * (from + (1 - from) * (progress.epoch / epochs)) : rate;
    },
  };
}

function checkNumbers(schedule: string, numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers)) checkNotNegative(schedule, name, value);
}
