import type { Gpu } from '../adapter/gpu.js';
import { ConfigError, ShapeError } from '../errors.js';
import { checkBoolean, checkOptions, checkWholeNumber, optionError } from '../option-checks.js';
import { checkDescribed, type NetworkDescription } from './description.js';
import { type ProgramOptions, precisions } from './network-tensors.js';
import type { Ranks } from './ranks.js';

export interface CompileOptions extends ProgramOptions {
  /** Determines initial parameters and all random choices of the layers. Default: 0. */
  readonly seed?: number;
}

/** The names of all {@link CompileOptions}. */
export const compileOptionNames = [
  'batch',
  'loss',
  'optimizer',
  'precision',
  'training',
  'microBatches',
  'ranks',
  'seed',
] as const;

/** Options whose seed is known. */
export type SeededOptions = CompileOptions & { readonly seed: number };

const largestSeed = 0xffffffff;

/** @throws ConfigError if the seed is not a whole number of 32 bits */
export function withSeed(description: NetworkDescription, options: CompileOptions): SeededOptions {
  const { seed = 0 } = options;
  if (!Number.isInteger(seed) || seed < 0 || seed > largestSeed) {
    throw optionError(description.name, 'seed', `a whole number from 0 to ${largestSeed}`, seed);
  }
  return { ...options, seed };
}

/**
 * Checks that a network can be compiled for an adapter with these options.
 *
 * @throws ConfigError for an option that is not allowed, ShapeError for a network that does not output scores
 */
export function checkCompilable(description: NetworkDescription, gpu: Gpu, options: ProgramOptions): void {
  checkDescribed(description);
  if (!gpu?.limits) throw optionError(description.name, 'gpu', 'an adapter, opened by openGpu()', gpu);
  // With all of them: what is planned or recorded is given as it will be compiled.
  checkOptions(description.name, options as CompileOptions, compileOptionNames);
  const { batch, precision = 'float32', training = true, microBatches = 1, ranks } = options;
  checkWholeNumber(description.name, 'batch', batch);
  checkWholeNumber(description.name, 'microBatches', microBatches);
  checkBoolean(description.name, 'training', training);
  if (ranks) checkRanks(description.name, ranks);
  if (!precisions.includes(precision)) {
    throw optionError(description.name, 'precision', precisions.join(' or '), precision);
  }
  if (precision === 'mixed' && !gpu.features.has('shader-f16')) {
    throw new ConfigError(
      `${description.name}: mixed precision needs an adapter with the feature shader-f16, which ${gpu.description.name} ` +
        'lacks; use float32 or another adapter',
    );
  }
  if (description.output.length !== 1) {
    throw new ShapeError(
      `${description.name}: the last layer must output one score per class, [N, classes]; it outputs ` +
        `[N, ${description.output.join(', ')}]`,
    );
  }
}

function checkRanks(name: string, { rank, size }: Ranks): void {
  checkWholeNumber(name, 'ranks.size', size);
  if (!Number.isInteger(rank) || rank < 0 || rank >= size) {
    throw optionError(name, 'ranks.rank', `a whole number from 0 to ${size - 1}`, rank);
  }
}
