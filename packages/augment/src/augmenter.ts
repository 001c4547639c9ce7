import {
  ConfigError,
  createProgram,
  createTensor,
  disposeTensor,
  type Gpu,
  type Program,
  ShapeError,
  writeTensor,
} from '@alex/tensor';
import {
  checkBoolean,
  checkNotNegative,
  checkOptions,
  checkWholeNumber,
  kindOfArray,
  recordPerElement,
} from '@alex/tensor/kernels';
import { drawColourShift, drawView } from './draws.js';
import { augmentInvocations, augmentKernel, packView } from './kernel.js';
import { type AugmenterOptions, type Plan, planAugmentation } from './options.js';
import type { View } from './views.js';

/** Images to prepare, and the values that their augmentation depends on. */
export interface ImageBatch {
  /** `[images, H, W, C]`, pixel values 0 to 255. */
  readonly pixels: Uint8Array;
  /** Index in the data set of each image, 0 to 2^32 - 1; at most as many as the output's `N`. */
  readonly images: ArrayLike<number>;
  /** Whether images are augmented, as specified by the augmenter's `training`. */
  readonly training: boolean;
  /** 0 to 2^32 - 1. Used in training only, as is `epoch`. */
  readonly seed: number;
  /** 0 to 2^32 - 1. */
  readonly epoch: number;
  /** Standard deviation of the random colour shifts in training, instead of the augmenter's own; 0 disables them. */
  readonly colourStrength?: number;
  /**
   * For a part of a batch: the image whose crop and flip each image uses in training. Default: the first one of its
   * chunk.
   */
  readonly sharesWith?: ArrayLike<number>;
  /** The position of every crop in evaluation (see `tenViews`). Default: the centre, not mirrored. */
  readonly view?: View;
}

/** Turns batches of stored images into a network's input. */
export interface Augmenter {
  /**
   * Writes crops of the images to the output, after all work submitted to the adapter before. Output images beyond the
   * given ones become 0. The promise resolves when the work has been submitted; await it before the next call.
   *
   * @throws `ShapeError` if the numbers of pixels and images disagree, `ConfigError` for a value or view that is not
   * allowed.
   */
  run(batch: ImageBatch): Promise<void>;
  /** Frees everything but the output. */
  dispose(): void;
}

/**
 * Prepares crops, flips, colour shifts and mean subtraction (paper, section 4.1 and 2) on an adapter, from bytes
 * to the network's input in one kernel. An image's offset, flip and shift depend on seed, epoch and its index in
 * the data set only: not on the batch it comes in (unless a chunk shares them), the adapter or an interruption.
 *
 * The output is `(pixel - mean + shift) / scale`.
 *
 * @throws `ConfigError` for an option that is not allowed, `ShapeError` for an output that is not `[N, C, H, W]`.
 */
export function createAugmenter(gpu: Gpu, options: AugmenterOptions): Augmenter {
  const plan = planAugmentation(options);
  const { batch, height, width, channels } = plan;
  const bytesPerImage = height * width * channels;

  const staged = new Uint8Array(4 * Math.ceil((batch * bytesPerImage) / 4));
  const packedViews = new Uint32Array(batch);
  const shifts = new Float32Array(3 * batch);

  const pixels = createTensor(gpu, 'augment/pixels', [staged.length / 4], { dataType: 'u32' });
  const views = createTensor(gpu, 'augment/views', [batch], { dataType: 'u32' });
  const shift = plan.colour && createTensor(gpu, 'augment/shift', [3, batch]);
  const mean = plan.meanAt === 'channel' ? undefined : createTensor(gpu, 'augment/mean', [channels, height, width]);
  const disposeTensors = () => {
    for (const tensor of [pixels, views, shift, mean]) if (tensor) disposeTensor(gpu, tensor);
  };
  if (mean) writeTensor(gpu, mean, plan.mean);

  let program: Program;
  try {
    program = createProgram(gpu, (recorder) =>
      recordPerElement(recorder, {
        label: 'augment',
        elements: augmentInvocations(plan),
        reads: { pixels, views, ...(shift && { shift }), ...(mean && { mean }) },
        writes: { output: options.output },
        body: augmentKernel(plan),
      }),
    );
  } catch (error) {
    disposeTensors();
    throw error;
  }

  return {
    async run(imageBatch) {
      checkBatch(plan, imageBatch);
      const { images, training, seed, epoch, sharesWith, view, colourStrength } = imageBatch;
      packedViews.fill(0);
      for (let image = 0; image < images.length; image++) {
        const firstOfChunk = sharesWith?.[image] ?? images[image - (image % plan.chunk)]!;
        packedViews[image] = packView(
          training ? drawView(plan, seed, epoch, firstOfChunk) : (view ?? plan.centre),
          plan.padding,
        );
        const drawn = training ? drawColourShift(plan, seed, epoch, images[image]!, colourStrength) : [0, 0, 0];
        for (const [channel, value] of drawn.entries()) shifts[channel * batch + image] = value;
      }
      writeTensor(gpu, pixels, inWords(imageBatch.pixels, staged));
      writeTensor(gpu, views, packedViews);
      if (shift) writeTensor(gpu, shift, shifts);
      await program.run();
    },
    dispose() {
      program.dispose();
      disposeTensors();
    },
  };
}

/** Bytes as words of the adapter: unchanged if they fill a batch, otherwise copied to `staged`. */
function inWords(bytes: Uint8Array, staged: Uint8Array): Uint32Array {
  if (bytes.length === staged.length && bytes.byteOffset % 4 === 0) {
    return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  }
  staged.set(bytes);
  return new Uint32Array(staged.buffer);
}

/** Values of another type may have the right number, and would be read as bytes all the same. */
export function checkPixels(pixels: Uint8Array): void {
  if (['Uint8Array', 'Uint8ClampedArray'].includes(kindOfArray(pixels))) return;
  throw new ShapeError(
    `augmenter: pixels must be a Uint8Array of values from 0 to 255, got ${kindOfArray(pixels)}; use Uint8Array.from(pixels)`,
  );
}

type OfDataset = Partial<Record<'count' | 'height' | 'width' | 'channels' | 'labels' | 'position', unknown>>;

/** What `batches` of `@alex/data` gives may be spread among the options: its other fields are no mistakes. */
function checkNames(given: ImageBatch): void {
  const { count, height, width, channels, labels, position, ...own } = (given ?? {}) as ImageBatch & OfDataset;
  checkOptions('augmenter: run', given && own, [
    'pixels',
    'images',
    'training',
    'seed',
    'epoch',
    'colourStrength',
    'sharesWith',
    'view',
  ]);
}

function checkBatch(plan: Plan, given: ImageBatch): void {
  checkNames(given);
  const { pixels, images, training, seed, epoch, view, colourStrength = 0 } = given;
  const { batch, height, width, channels, cropHeight, cropWidth, padding } = plan;
  checkWholeNumber('augmenter', 'the number of images', images?.length, 1, batch);
  checkPixels(pixels);
  const expected = images.length * height * width * channels;
  if (pixels.length !== expected) {
    throw new ShapeError(
      `augmenter: ${images.length} images of ${height} x ${width} x ${channels} need ${expected} bytes, ` +
        `got ${pixels.length}`,
    );
  }
  checkNotNegative('augmenter', 'colourStrength', colourStrength);
  checkBoolean('augmenter', 'training', training);
  if (training) {
    checkWholeNumber('augmenter', 'seed', seed, 0, 2 ** 32 - 1);
    checkWholeNumber('augmenter', 'epoch', epoch, 0, 2 ** 32 - 1);
    for (let image = 0; image < images.length; image++) {
      checkWholeNumber('augmenter', `images[${image}]`, images[image]!, 0, 2 ** 32 - 1);
    }
    if (view)
      throw new ConfigError('augmenter: view is only for evaluation; in training, every image gets a random one');
  } else if (view) {
    checkWholeNumber('augmenter', 'view.top', view.top, -padding, height + padding - cropHeight);
    checkWholeNumber('augmenter', 'view.left', view.left, -padding, width + padding - cropWidth);
  }
}
