import type { Gpu } from '../adapter/gpu.js';
import { MemoryError } from '../errors.js';
import { planNetwork } from './compile.js';
import type { NetworkDescription } from './description.js';
import type { MemoryPlan } from './network.js';
import type { ProgramOptions } from './programs.js';

/**
 * Checks a network's plan against what is known of the adapter's memory, before anything is made there.
 *
 * @returns the plan
 * @throws MemoryError that says what is needed, what there is, and the largest batch that fits
 */
export function checkFits(description: NetworkDescription, gpu: Gpu, options: ProgramOptions): MemoryPlan {
  const plan = planNetwork(description, gpu, options);
  const excess = excessOf(plan, description, gpu, options);
  if (excess === undefined) return plan;
  const largest = largestBatch(description, gpu, options);
  const remedy =
    largest === 0
      ? 'not even a batch of 1 fits: choose another adapter'
      : `the largest batch that fits is ${largest}; take that, or learn from several smaller ones a step`;
  throw new MemoryError(
    `${description.name} at a batch of ${options.batch} does not fit the adapter "${gpu.description.name}": ${excess}; ${remedy}.`,
    { largestBatch: largest },
  );
}

/** For scalars, and whatever else does not grow with the batch. */
const smallBuffers = 2 ** 16;

function excessOf(
  { totalBytes, largestBufferBytes, parameterBytes, stateBytes }: MemoryPlan,
  { output }: NetworkDescription,
  gpu: Gpu,
  { batch, training = true }: ProgramOptions,
): string | undefined {
  const free = gpu.memoryBytes - gpu.liveBytes;
  // Results wait in buffers of their own to be read: of two steps and an evaluation three measures each, and what the
  // network gives with its probabilities.
  const results = 4 * batch * (9 + 2 * output[0]!);
  // So do parameters and what the optimizer keeps, one after the other, when they are saved.
  const saved = training ? Math.max(parameterBytes, stateBytes) : 0;
  const needed = totalBytes + results + saved + smallBuffers;
  if (needed > free) return `it needs ${megabytes(needed)}, there are ${megabytes(free)}`;
  const { maxBufferSize } = gpu.limits;
  if (largestBufferBytes > maxBufferSize) {
    return `it needs a buffer of ${megabytes(largestBufferBytes)}, at most ${megabytes(maxBufferSize)} are allowed`;
  }
  return undefined;
}

/** The largest batch below the one of the options that fits, or 0. */
function largestBatch(description: NetworkDescription, gpu: Gpu, options: ProgramOptions): number {
  let fits = 0;
  let tooLarge = options.batch;
  while (tooLarge - fits > 1) {
    const batch = Math.floor((fits + tooLarge) / 2);
    const smaller = { ...options, batch };
    if (excessOf(planNetwork(description, gpu, smaller), description, gpu, smaller)) tooLarge = batch;
    else fits = batch;
  }
  return fits;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: bytes < 1e8 ? 1 : 0 })} MB`;
}
