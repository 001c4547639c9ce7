import { ConfigError } from '@alex/tensor';
import { checkBoolean, checkOptions, streamOf, threefry2x32 } from '@alex/tensor/kernels';
import { checkSplit, checkWhole, checkWord } from './checks.js';
import type { ImageBatch, Split } from './dataset.js';
import { readAhead } from './prefetch.js';

/** How the images of a split are divided into batches. */
export interface BatchSize {
  /** Images per batch. */
  batch: number;
  /**
   * What happens to the images left over at the end of an epoch: `'drop'` (the default) omits them, different ones each
   * epoch; `'keep'` makes a shorter batch of them, as evaluation needs.
   */
  lastBatch?: 'drop' | 'keep' | undefined;
}

/** The order of the images of an epoch. */
export interface BatchOrder extends BatchSize {
  /** Seed of the order, a 32-bit word. Default: 0. */
  seed?: number | undefined;
  /** Number of the pass over the images, from 0 (the default). Each has its own order. */
  epoch?: number | undefined;
  /** `false`: the images keep their order in the split, in every epoch. Default: `true`. */
  shuffle?: boolean | undefined;
  /** Number of the batch within the epoch, from 0 (the default). */
  position?: number | undefined;
}

export interface BatchesOptions extends BatchOrder {
  /**
   * Number of epochs, including the first one, even if it starts at a later position. Default: 1; `Infinity` never
   * ends.
   */
  epochs?: number | undefined;
  /** How many batches to read ahead of the one in use. Default: 1. */
  ahead?: number | undefined;
}

/** The position of a training step. */
export interface StepPosition {
  /** Number of the pass over the images, from 0. */
  epoch: number;
  /** Number of the batch within the epoch, from 0. */
  position: number;
}

/** A batch and its origin: the image numbers and the epoch determine its augmentation. */
export interface EpochBatch extends ImageBatch, Readonly<StepPosition> {
  /** The numbers of the images in the split. */
  readonly images: Uint32Array;
}

/** The names of all options. What takes some of them takes all: a program has one object of them for everything about batches. */
const optionNames = ['batch', 'lastBatch', 'seed', 'epoch', 'shuffle', 'position', 'epochs', 'ahead'] as const;

const checkNames = (owner: string, options: BatchesOptions) => checkOptions(owner, options, optionNames);

/**
 * Number of batches per epoch.
 *
 * @throws ConfigError if there would be none, or an option is unknown or invalid.
 */
export function batchesPerEpoch(length: number, size: BatchSize): number {
  checkNames('batchesPerEpoch', size);
  const { batch, lastBatch = 'drop' } = size;
  checkWhole('length', length, 1);
  checkWhole('batch', batch, 1);
  if (lastBatch !== 'drop' && lastBatch !== 'keep') {
    throw new ConfigError(`lastBatch is ${String(lastBatch)}: give 'drop' or 'keep'`);
  }
  if (lastBatch === 'keep') return Math.ceil(length / batch);
  if (batch > length) {
    throw new ConfigError(
      `batch is ${batch}, but there are only ${length} images: give at most ${length}, or lastBatch 'keep'`,
    );
  }
  return Math.floor(length / batch);
}

/**
 * The epoch and position of a step counted from 0 over all epochs: where to continue after an interruption.
 *
 * @throws ConfigError if an option is unknown or invalid.
 */
export function stepPosition(length: number, size: BatchSize, step: number): StepPosition {
  checkNames('stepPosition', size);
  checkWhole('step', step, 0);
  const perEpoch = batchesPerEpoch(length, size);
  return { epoch: Math.floor(step / perEpoch), position: step % perEpoch };
}

/**
 * The images of one batch. They depend only on the arguments: the same on every machine, today or after a resume.
 * Within an epoch, no image occurs twice.
 *
 * @throws ConfigError if an option is unknown or invalid, or the epoch has no such batch.
 */
export function batchIndices(length: number, order: BatchOrder): Uint32Array {
  checkNames('batchIndices', order);
  const { position = 0 } = order;
  const count = batchesPerEpoch(length, order);
  checkWhole('position', position, 0, count - 1);
  const start = position * order.batch;
  return epochOrder(length, order).slice(start, start + order.batch);
}

/**
 * Reads a split batch by batch. While one batch is used, the next `ahead` batches are read, but no more, so that memory
 * is bounded. Contents and order depend only on the options of the order.
 *
 * @throws ConfigError if an option is unknown or invalid; DataError if an image cannot be read.
 */
export function batches(split: Split, options: BatchesOptions): AsyncGenerator<EpochBatch, void, undefined> {
  checkSplit('batches', split);
  checkNames('batches', options);
  const { epoch = 0, position = 0, epochs = 1, ahead = 1 } = options;
  const count = batchesPerEpoch(split.length, options);
  checkWhole('position', position, 0, count - 1);
  if (epochs !== Number.POSITIVE_INFINITY) checkWhole('epochs', epochs, 1);
  checkOrder(options);
  checkWhole('ahead', ahead, 0);
  function* reads() {
    for (let pass = 0; pass < epochs; pass++) {
      for (let at = pass === 0 ? position : 0; at < count; at++) {
        const place = { epoch: epoch + pass, position: at };
        const images = batchIndices(split.length, { ...options, ...place });
        yield async () => ({ ...(await split.read(images)), images, ...place });
      }
    }
  }
  return readAhead(reads(), ahead);
}

function checkOrder({ seed = 0, epoch = 0, shuffle = true }: BatchOrder): void {
  checkWord('seed', seed);
  checkWord('epoch', epoch);
  checkBoolean('batches', 'shuffle', shuffle);
}

const orderStream = streamOf('data/order');

/** The last order: successive batches request the same one, which takes a second to generate for ImageNet. */
let last: { key: string; indices: Uint32Array } | undefined;

/** The order of a whole epoch. */
function epochOrder(length: number, order: BatchOrder): Uint32Array {
  checkOrder(order);
  const { seed = 0, epoch = 0, shuffle = true } = order;
  const key = `${length} ${shuffle ? `${seed} ${epoch}` : 'as it is'}`;
  if (last?.key !== key) {
    const indices = Uint32Array.from({ length }, (_, i) => i);
    if (shuffle) shuffleInPlace(indices, seed, epoch);
    last = { key, indices };
  }
  return last.indices;
}

/** Fisher and Yates's shuffle with counter-based random numbers. */
function shuffleInPlace(indices: Uint32Array, seed: number, epoch: number): void {
  for (let i = indices.length - 1; i > 0; i--) {
    const [bits] = threefry2x32(seed, orderStream, i, epoch);
    // The bias of scaling 32 bits to i + 1 values is below (i + 1) / 2^32, which is negligible.
    const j = Math.floor((bits / 2 ** 32) * (i + 1));
    const other = indices[j]!;
    indices[j] = indices[i]!;
    indices[i] = other;
  }
}
