import { type Augmenter, tenViews, type View } from '@alex/augment';
import { batches, type Split } from '@alex/data';
import { ConfigError } from '@alex/tensor';
import { checkOptions, checkSignal } from '@alex/tensor/kernels';
import type { Network } from '@alex/tensor/network';
import { checkSplit, checkViewer, withoutOpenedRun } from '../checks.js';
import { topError } from './ranking.js';

/** The predictions of a network, or of an ensemble, in the order of the split's images. */
export interface Scores {
  /** The true classes. */
  readonly labels: Uint32Array;
  readonly classes: number;
  /** `[images, classes]`: the softmax, or a mean of several. */
  readonly probabilities: Float32Array;
  /** Minus the logarithm of the true class's probability, in nats; finite even if that probability rounds to 0. */
  readonly losses: Float64Array;
  /** 0 or 1, or in between with ties: see `softmaxCrossEntropy`. */
  readonly top1Errors: Float64Array;
  readonly top5Errors: Float64Array;
}

/** Options of `score`. */
export interface ScoreOptions {
  readonly network: Network;
  /** Writes to the network's input. */
  readonly augmenter: Augmenter;
  readonly split: Split;
  /**
   * 1: the centre of each image. 10: the mean prediction over its corners and centre and their flips, as in
   * section 4.1 of the paper. Default 1.
   */
  readonly views?: number;
  /** Stops the iteration, which then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after every batch. */
  onProgress?(images: number, of: number): void;
}

/** The names of all {@link ScoreOptions}. */
export const scoreOptionNames = ['network', 'augmenter', 'split', 'views', 'signal', 'onProgress'] as const;

/**
 * Runs a network on every image of a split, and yields its predictions batch by batch, so memory does not depend on the
 * number of images.
 *
 * @throws ConfigError for an unknown option, or a number of views other than 1 or 10; DataError if an image cannot be read
 */
export async function* score(options: ScoreOptions): AsyncGenerator<Scores, void, undefined> {
  const given = withoutOpenedRun(options);
  checkOptions('score', given, scoreOptionNames);
  checkViewer('score', given);
  const { network, augmenter, split, views = 1, signal, onProgress } = given;
  checkSplit('score', split);
  checkSignal('score', signal);
  if (views !== 1 && views !== 10) throw new ConfigError(`views must be 1 or 10, got ${views}`);
  const [, inputHeight, inputWidth] = network.description.input as [number, number, number];
  const classes = network.description.output[0]!;
  let done = 0;
  for await (const read of batches(split, { batch: network.batch, lastBatch: 'keep', shuffle: false })) {
    signal?.throwIfAborted();
    const { pixels, labels, height, width, images } = read;
    const show = async (view?: View) => {
      await augmenter.run({ pixels, images, training: false, seed: 0, epoch: 0, ...(view && { view }) });
      return network.evaluate(network.input, labels);
    };
    // The adapter computes its whole batch; results beyond the images are ignored.
    const count = labels.length;
    if (views === 1) {
      const { probabilities, losses, top1Errors, top5Errors } = await show();
      yield {
        labels,
        classes,
        probabilities: probabilities.data.subarray(0, count * classes),
        losses: Float64Array.from(losses.subarray(0, count)),
        top1Errors: Float64Array.from(top1Errors.subarray(0, count)),
        top5Errors: Float64Array.from(top5Errors.subarray(0, count)),
      };
    } else {
      const mean = new Mean(labels, classes);
      for (const view of tenViews(height, width, [inputHeight, inputWidth])) {
        const { probabilities, losses } = await show(view);
        mean.add(probabilities.data, losses, 1 / views);
      }
      yield mean.scores();
    }
    done += count;
    onProgress?.(done, split.length);
  }
}

/** Gathers the scores of a whole split: 4 bytes per image and class, 200 MB for ImageNet's validation images. */
export async function gather(split: Split, parts: AsyncIterable<Scores>): Promise<Scores> {
  checkSplit('gather', split);
  let whole: Scores | undefined;
  let done = 0;
  for await (const part of parts) {
    const { classes } = part;
    whole ??= {
      labels: new Uint32Array(split.length),
      classes,
      probabilities: new Float32Array(split.length * classes),
      losses: new Float64Array(split.length),
      top1Errors: new Float64Array(split.length),
      top5Errors: new Float64Array(split.length),
    };
    for (const key of ['labels', 'losses', 'top1Errors', 'top5Errors'] as const) whole[key].set(part[key], done);
    whole.probabilities.set(part.probabilities, done * classes);
    done += part.labels.length;
  }
  if (!whole) throw new ConfigError('there are no images to score');
  return whole;
}

/** A weighted mean of predictions for the same images. */
export class Mean {
  readonly #labels: Uint32Array;
  readonly #classes: number;
  readonly #sums: Float64Array;
  /** For each image, the terms of the true class's probability as logarithms. */
  readonly #logarithms: Float64Array[] = [];

  constructor(labels: Uint32Array, classes: number) {
    this.#labels = labels;
    this.#classes = classes;
    this.#sums = new Float64Array(labels.length * classes);
  }

  /** @param losses minus the logarithms of the true classes' probabilities */
  add(probabilities: ArrayLike<number>, losses: ArrayLike<number>, weight: number): void {
    for (let i = 0; i < this.#sums.length; i++) this.#sums[i]! += weight * probabilities[i]!;
    const logarithm = Math.log(weight);
    this.#logarithms.push(Float64Array.from(this.#labels, (_, image) => logarithm - losses[image]!));
  }

  scores(): Scores {
    const labels = this.#labels;
    const classes = this.#classes;
    const errors = (k: number) =>
      Float64Array.from(labels, (label, image) =>
        topError(this.#sums.subarray(image * classes, (image + 1) * classes), label, k),
      );
    return {
      labels,
      classes,
      probabilities: Float32Array.from(this.#sums),
      losses: Float64Array.from(labels, (_, image) => -logOfSum(this.#logarithms.map((terms) => terms[image]!))),
      top1Errors: errors(1),
      top5Errors: errors(5),
    };
  }
}

/** The logarithm of a sum of terms given as logarithms, which may be too small to be added directly. */
export function logOfSum(logarithms: readonly number[]): number {
  const largest = Math.max(...logarithms);
  if (largest === -Infinity) return largest;
  return largest + Math.log(logarithms.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}
