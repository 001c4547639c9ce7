import { checkOptions } from '@alex/tensor/kernels';
import { checkSplit, checkWhole } from './checks.js';
import type { ColourStatistics, ImageBatch, Split } from './dataset.js';
import { symmetricEigen } from './eigen.js';
import { prefetch } from './prefetch.js';

export interface StatisticsOptions {
  /** The most images to use, spread evenly over the split. Default: all of them. */
  limit?: number | undefined;
}

/**
 * The mean of each pixel over the images of a split, `[channels, height, width]` (the mean image that the paper
 * subtracts), in pixel values from 0 to 255.
 *
 * @throws ConfigError if an option is unknown or invalid; DataError if an image cannot be read.
 */
export async function meanImage(split: Split, options: StatisticsOptions = {}): Promise<Float64Array> {
  let sums = new Float64Array();
  let count = 0;
  for await (const { channels, height, width, count: images, pixels } of samples('meanImage', split, options)) {
    const plane = height * width;
    if (count === 0) sums = new Float64Array(channels * plane);
    for (let i = 0, image = 0; image < images; image++) {
      for (let pixel = 0; pixel < plane; pixel++) {
        for (let channel = 0; channel < channels; channel++) sums[channel * plane + pixel]! += pixels[i++]!;
      }
    }
    count += images;
  }
  return sums.map((sum) => sum / count);
}

/**
 * Mean, covariance and principal components of the channels over all pixels of a split, in one pass.
 *
 * @throws ConfigError if an option is unknown or invalid; DataError if an image cannot be read.
 */
export async function colourStatistics(split: Split, options: StatisticsOptions = {}): Promise<ColourStatistics> {
  let sums: ColourSums | undefined;
  for await (const { channels, pixels } of samples('colourStatistics', split, options)) {
    sums ??= new ColourSums(channels);
    sums.add(pixels);
  }
  return statisticsOf([sums!.totals()]);
}

/** Sums over pixels, from which mean and covariance are computed. */
export interface ColourTotals {
  /** Number of pixels. */
  readonly pixels: number;
  /** Of each channel. */
  readonly sums: readonly number[];
  /** `products[a][b]`, for a <= b, of channels a and b. */
  readonly products: readonly (readonly number[])[];
}

/**
 * Sums the colours of images. Sums of whole numbers are exact in float64 below 2^53, which is enough for two million
 * images of 256 x 256 in one sum, and `statisticsOf` combines any number of sums without rounding. So one pass over the
 * images, in any order and any division, gives the same bits.
 */
export class ColourSums {
  readonly #channels: number;
  #pixels = 0;
  readonly #sums: number[];
  readonly #products: number[][];

  constructor(channels: number) {
    this.#channels = channels;
    this.#sums = new Array<number>(channels).fill(0);
    this.#products = this.#sums.map(() => [...this.#sums]);
  }

  /** Pixels of interleaved channels. */
  add(pixels: Uint8Array): void {
    const channels = this.#channels;
    for (let a = 0; a < channels; a++) {
      let sum = 0;
      for (let i = a; i < pixels.length; i += channels) sum += pixels[i]!;
      this.#sums[a]! += sum;
      for (let b = a; b < channels; b++) {
        let product = 0;
        for (let i = 0; i < pixels.length; i += channels) product += pixels[i + a]! * pixels[i + b]!;
        this.#products[a]![b]! += product;
      }
    }
    this.#pixels += pixels.length / channels;
  }

  totals(): ColourTotals {
    return { pixels: this.#pixels, sums: this.#sums, products: this.#products };
  }
}

/** Mean, covariance and principal components of pixels from partial sums. */
export function statisticsOf(parts: readonly ColourTotals[]): ColourStatistics {
  const channels = parts[0]?.sums.length ?? 0;
  const whole = (of: (part: ColourTotals) => number) => parts.reduce((total, part) => total + BigInt(of(part)), 0n);
  const count = whole(({ pixels }) => pixels);
  const indices = Array.from({ length: channels }, (_, i) => i);
  const sums = indices.map((a) => whole((part) => part.sums[a]!));
  const mean = sums.map((sum) => Number(sum) / Number(count));
  // In whole numbers until the last division: there is no cancellation, even if the variance is small compared with the
  // mean.
  const covariance = indices.map((a) =>
    indices.map((b) => {
      const product = whole((part) => part.products[Math.min(a, b)]![Math.max(a, b)]!);
      return Number(product * count - sums[a]! * sums[b]!) / Number(count * count);
    }),
  );
  const { values, vectors } = symmetricEigen(covariance);
  // Rounding may leave a variance of zero slightly below 0, which has no root.
  const eigenvalues = values.map((value) => Math.max(0, value));
  return { mean, covariance, axes: vectors, eigenvalues, standardDeviations: eigenvalues.map(Math.sqrt) };
}

const imagesAtATime = 64;

/** The images used for statistics, some at a time, in the order of the split. */
function samples(owner: string, split: Split, options: StatisticsOptions): AsyncIterable<ImageBatch> {
  checkSplit(owner, split);
  checkOptions(owner, options, ['limit']);
  const { limit = split.length } = options;
  checkWhole('limit', limit, 1);
  const count = Math.min(limit, split.length);
  const indices = Uint32Array.from({ length: count }, (_, i) => Math.floor((i * split.length) / count));
  async function* read() {
    for (let i = 0; i < count; i += imagesAtATime) yield await split.read(indices.subarray(i, i + imagesAtATime));
  }
  return prefetch(read());
}
