import { type Augmenter, tenViews, type View } from '@alex/augment';
import { batches, type Split } from '@alex/data';
import { ConfigError, type Network } from '@alex/tensor';

/** Means over the pictures. */
export interface EvaluationResult {
  /** How many pictures. */
  readonly pictures: number;
  /** In nats. */
  readonly loss: number;
  /** Shares between 0 and 1. */
  readonly top1Error: number;
  readonly top5Error: number;
}

/** What `evaluate` needs. */
export interface EvaluationOptions {
  readonly network: Network;
  /** Writes to the network's input. */
  readonly augmenter: Augmenter;
  readonly split: Split;
  /**
   * 1: the centre of each picture. 10: the mean prediction over its corners and centre and their reflections, as in
   * section 4.1 of the paper. Default 1.
   */
  readonly views?: number;
  /** Stops the evaluation: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after every batch. */
  onProgress?(pictures: number, of: number): void;
}

/**
 * Measures a network on every picture of a split, however many there are.
 *
 * @throws ConfigError for a number of views other than 1 or 10; DataError where a picture cannot be read
 */
export async function evaluate(options: EvaluationOptions): Promise<EvaluationResult> {
  const { network, augmenter, split, views = 1, signal, onProgress } = options;
  if (views !== 1 && views !== 10) throw new ConfigError(`views must be 1 or 10, got ${views}`);
  const [, inputHeight, inputWidth] = network.description.input as [number, number, number];
  let loss = 0;
  let top1Error = 0;
  let top5Error = 0;
  let done = 0;
  for await (const read of batches(split, { batch: network.batch, lastBatch: 'keep', shuffle: false })) {
    signal?.throwIfAborted();
    const { pixels, labels, height, width, pictures } = read;
    const show = (view?: View) =>
      augmenter.run({ pixels, pictures, training: false, seed: 0, epoch: 0, ...(view && { view }) });
    if (views === 1) {
      await show();
      const measured = await network.evaluate(network.input, labels);
      // The adapter measures its whole batch; what lies beyond the pictures does not count.
      loss += sum(measured.losses.subarray(0, labels.length));
      top1Error += sum(measured.top1Errors.subarray(0, labels.length));
      top5Error += sum(measured.top5Errors.subarray(0, labels.length));
    } else {
      const probabilities: Float32Array[] = [];
      for (const view of tenViews(height, width, [inputHeight, inputWidth])) {
        await show(view);
        probabilities.push((await network.evaluate(network.input, labels)).probabilities.data);
      }
      labels.forEach((label, image) => {
        const mean = meanPrediction(probabilities, image, network.description.output[0]!);
        loss -= Math.log(mean[label]!);
        top1Error += topError(mean, label, 1);
        top5Error += topError(mean, label, 5);
      });
    }
    done += labels.length;
    onProgress?.(done, split.length);
  }
  const mean = (total: number) => total / split.length;
  return { pictures: split.length, loss: mean(loss), top1Error: mean(top1Error), top5Error: mean(top5Error) };
}

/** The mean of one image's probabilities over several views, each `[N, classes]`. */
function meanPrediction(views: readonly Float32Array[], image: number, classes: number): Float64Array {
  const mean = new Float64Array(classes);
  for (const view of views) {
    for (let index = 0; index < classes; index++) mean[index]! += view[image * classes + index]! / views.length;
  }
  return mean;
}

/** 0 where the label is among the `k` likeliest, 1 where it is not, and the chance of not being so where there are ties. */
export function topError(probabilities: ArrayLike<number>, label: number, k: number): number {
  const own = probabilities[label]!;
  let above = 0;
  let equal = 0;
  for (let index = 0; index < probabilities.length; index++) {
    if (probabilities[index]! > own) above++;
    else if (probabilities[index]! === own) equal++;
  }
  return 1 - Math.min(1, Math.max(0, (k - above) / equal));
}

function sum(values: Float32Array): number {
  return values.reduce((total, value) => total + value, 0);
}
