import { ConfigError } from '@alex/tensor';
import { checkNotNegative, checkOptions, checkPositive, checkWholeNumber, optionError } from '@alex/tensor/kernels';

/**
 * The progress of a run: everything that a schedule may depend on, so that a resumed run continues as if it had never
 * been interrupted.
 */
export interface Progress {
  /** Passes over the training data since the start, as a fraction: 1.5 is the middle of the second pass. */
  readonly epoch: number;
  /** Planned number of passes. */
  readonly epochs: number;
  /** One error per validation so far, in order, as fractions between 0 and 1. */
  readonly validationErrors: readonly number[];
}

/** The learning rate over the course of a run; a pure function of the progress, without state. */
export interface Schedule {
  readonly kind: string;
  learningRate(progress: Progress): number;
}

/**
 * Lowers the rate at given epochs: it is `learningRate` before the first of them, and is multiplied by `factor` at
 * each. Without epochs, the rate is constant.
 *
 * The 2012 code on the ILSVRC-2010 data: `stepSchedule({ learningRate: 0.01, factor: 0.1, epochs: [23, 51, 78] })`.
 *
 * @throws ConfigError if an option is unknown, a number is not finite or negative, or the epochs do not increase
 */
export function stepSchedule(options: {
  readonly learningRate: number;
  /** Default: 0.1. */
  readonly factor?: number;
  readonly epochs: readonly number[];
}): Schedule {
  checkOptions('stepSchedule', options, ['learningRate', 'factor', 'epochs']);
  const { learningRate, factor = 0.1, epochs } = options;
  checkNumbers('stepSchedule', { learningRate, factor });
  if (!Array.isArray(epochs)) throw optionError('stepSchedule', 'epochs', 'an array of epochs', epochs);
  epochs.forEach((epoch, index) => {
    checkNumbers('stepSchedule', { [`epochs[${index}]`]: epoch });
    if (index > 0 && epoch <= epochs[index - 1]!) {
      throw new ConfigError(`stepSchedule: epochs must increase, got ${epochs.join(', ')}`);
    }
  });
  return {
    kind: 'stepSchedule',
    learningRate: ({ epoch }) => learningRate * factor ** epochs.filter((boundary) => epoch >= boundary).length,
  };
}

/**
 * Lowers the rate by equal factors over equal parts of the run: part `i` of `steps` (from 0) has the rate
 * `learningRate * factor ** (-i / (steps - 1))`, so the last has `learningRate / factor`. cuda-convnet2 calls it `dexp`
 * and trains its ImageNet nets with `exponentialSchedule({ learningRate: 0.01, factor: 250, steps: 4 })`: 0.01,
 * 0.0015874, 0.00025198, 0.00004.
 *
 * @throws ConfigError if an option is unknown, a number is not finite or negative, a factor is 0, or `steps` is not a whole number above 1
 */
export function exponentialSchedule(options: {
  readonly learningRate: number;
  /** The first rate divided by the last. */
  readonly factor: number;
  readonly steps: number;
  /** Passes over the training data during which the rate falls; afterwards it is constant. Default: the whole run. */
  readonly epochs?: number;
}): Schedule {
  checkOptions('exponentialSchedule', options, ['learningRate', 'factor', 'steps', 'epochs']);
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
 * The paper's rule (section 5), which its authors applied by hand: divide the rate by 10 when the validation error
 * stops improving, at most three times.
 *
 * An error improves if it is below the best so far by more than `threshold`. After `patience` consecutive errors
 * without improvement, the rate is lowered and the count restarts, with the same best error. A NaN never improves.
 *
 * @throws ConfigError if an option is unknown, a number is not finite or negative, or `patience` or `drops` is not a whole number
 */
export function plateauSchedule(options: {
  readonly learningRate: number;
  /** Factor of the rate at a drop. Default: 0.1. */
  readonly factor?: number;
  /** Errors without improvement before a drop. Default: 5. */
  readonly patience?: number;
  /** As a fraction between 0 and 1. Default: 0.001. */
  readonly threshold?: number;
  /** The most drops. Default: 3. */
  readonly drops?: number;
}): Schedule {
  checkOptions('plateauSchedule', options, ['learningRate', 'factor', 'patience', 'threshold', 'drops']);
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
 * The rate as a table, as logged during training: from each epoch on, `learningRate` times the factor next to it.
 *
 * The first layer of the 2012 code on the ILSVRC-2010 data, which was slowed down and finally frozen:
 * `tableSchedule({ learningRate: 0.01, factors: [[0, 1], [23, 0.1], [51, 0.01], [68, 0.001], [72, 0]] })`.
 *
 * @throws ConfigError if an option is unknown, a number is not finite or negative, or the epochs do not start at 0 and increase
 */
export function tableSchedule(options: {
  readonly learningRate: number;
  /** Rows of an epoch and a factor. */
  readonly factors: readonly (readonly [epoch: number, factor: number])[];
}): Schedule {
  checkOptions('tableSchedule', options, ['learningRate', 'factors']);
  const { learningRate, factors } = options;
  checkNumbers('tableSchedule', { learningRate });
  if (!Array.isArray(factors) || !factors.every(Array.isArray)) {
    throw optionError('tableSchedule', 'factors', 'an array of rows [epoch, factor]', factors);
  }
  factors.forEach(([epoch, factor], index) => {
    checkNumbers('tableSchedule', { [`factors[${index}][0]`]: epoch, [`factors[${index}][1]`]: factor });
  });
  const epochs = factors.map(([epoch]) => epoch);
  if (epochs[0] !== 0 || epochs.some((epoch, index) => index > 0 && epoch <= epochs[index - 1]!)) {
    throw new ConfigError(`tableSchedule: epochs must start at 0 and increase, got ${epochs.join(', ') || 'none'}`);
  }
  return {
    kind: 'tableSchedule',
    learningRate: ({ epoch }) => learningRate * factors.findLast(([from]) => epoch >= from)![1],
  };
}

/**
 * Raises the rate of another schedule linearly over the first epochs, from the fraction `from` to its full value: for
 * rates that a network tolerates only after some training, such as those for large batches (Goyal et al. 2017).
 *
 * @throws ConfigError if an option is unknown, a number is not finite or negative, or `from` is above 1
 */
export function warmUp(
  schedule: Schedule,
  options: { /** Length of the warm-up. */ readonly epochs: number; readonly from: number },
): Schedule {
  if (typeof schedule?.learningRate !== 'function') {
    throw optionError('warmUp', 'schedule', 'a schedule, such as stepSchedule(...)', schedule);
  }
  checkOptions('warmUp', options, ['epochs', 'from']);
  const { epochs, from } = options;
  checkNumbers('warmUp', { epochs, from });
  if (from > 1) throw new ConfigError(`warmUp: from must be a fraction of the rate, at most 1, got ${from}`);
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
