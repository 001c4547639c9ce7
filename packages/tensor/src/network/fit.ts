import type { Gpu } from '../adapter/gpu.js';
import { ConfigError, MemoryError } from '../errors.js';
import { bytesToRead } from '../kernel/tensor.js';
import { planNetwork } from './compile.js';
import { checkDescribed, type NetworkDescription } from './description.js';
import type { MemoryPlan } from './network.js';
import type { ProgramOptions } from './network-tensors.js';
import { type NetworkPart, wholePart } from './part.js';

/** An adapter's part of a network for a given batch. Throws a `ConfigError` if a batch cannot be divided. */
export type PartAt = (batch: number) => NetworkPart;

/**
 * Checks a network's plan against the known memory of the adapter, before anything is allocated.
 *
 * @param partAt the adapter's part of the network, if several share it. Default: the whole network
 * @returns the plan
 * @throws MemoryError with the required and available memory, and the largest batch that fits
 */
export function checkFits(
  description: NetworkDescription,
  gpu: Gpu,
  options: ProgramOptions,
  partAt: PartAt = (batch) => wholePart(description, batch),
): MemoryPlan {
  checkDescribed(description);
  const plan = planNetwork(description, gpu, options, partAt(options?.batch));
  const excess = excessOf(plan, description, gpu, options);
  if (excess === undefined) return plan;
  const largest = largestBatch(description, gpu, options, partAt);
  const remedy =
    largest === 0
      ? 'no smaller batch fits either: choose another adapter, or allow more of its memory'
      : `the largest batch that fits is ${largest}; use that, or several micro-batches per step`;
  throw new MemoryError(
    `${description.name} at a batch of ${options.batch} does not fit the adapter "${gpu.description.name}": ${excess}; ${remedy}.`,
    { largestBatch: largest },
  );
}

/** For scalars and other buffers that do not grow with the batch. */
const smallBuffers = 2 ** 16;

function excessOf(
  { totalBytes, largestBufferBytes, parameterBytes, stateBytes }: MemoryPlan,
  { output }: NetworkDescription,
  gpu: Gpu,
  { batch, training = true }: ProgramOptions,
): string | undefined {
  const free = gpu.memoryBytes - gpu.liveBytes;
  // Results are read through buffers of their own: three measures for each of two steps and an evaluation, and the
  // network's outputs with their probabilities.
  const results = 4 * batch * (9 + 2 * output[0]!);
  // Parameters and the optimizer's state are read in the same way, one by one, when they are saved.
  const saved = training ? bytesToRead(Math.max(parameterBytes, stateBytes)) : 0;
  const needed = totalBytes + results + saved + smallBuffers;
  if (needed > free) return `it needs ${megabytes(needed)}, but there are only ${megabytes(free)}`;
  const { maxBufferSize } = gpu.limits;
  if (largestBufferBytes > maxBufferSize) {
    return `it needs a buffer of ${megabytes(largestBufferBytes)}, but at most ${megabytes(maxBufferSize)} are allowed`;
  }
  return undefined;
}

/** The largest batch below that of the options that fits, or 0. */
function largestBatch(description: NetworkDescription, gpu: Gpu, options: ProgramOptions, partAt: PartAt): number {
  const fits = (batch: number) => {
    const smaller = { ...options, batch };
    try {
      const plan = planNetwork(description, gpu, smaller, partAt(batch));
      return excessOf(plan, description, gpu, smaller) === undefined;
    } catch (error) {
      if (error instanceof ConfigError) return false;
      throw error;
    }
  };
  let largest = 0;
  let tooLarge = options.batch;
  while (tooLarge - largest > 1) {
    const batch = Math.floor((largest + tooLarge) / 2);
    if (fits(batch)) largest = batch;
    else tooLarge = batch;
  }
  return largest;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: bytes < 1e8 ? 1 : 0 })} MB`;
}
