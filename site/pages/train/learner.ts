import { type Augmenter, createInputAugmenter } from '@alex/augment';
import { softmaxCrossEntropy } from '@alex/loss';
import { place } from '@alex/multi-gpu';
import { sgd } from '@alex/optim';
import { type Gpu, openGpu } from '@alex/tensor';
import { streamOf, threefry2x32 } from '@alex/tensor/kernels';
import type { Network } from '@alex/tensor/network';
import { type Emoji, gather } from './emoji.js';
import type { Prediction } from './messages.js';
import { networkOf } from './network.js';
import type { Settings } from './settings.js';

/** Predictions that the page shows. */
const shown = 8;

/** A network that learns the emoji, step by step. */
export class Learner {
  readonly gpu: Gpu;
  readonly network: Network;
  readonly #augmenter: Augmenter;
  readonly #emoji: Emoji;
  readonly #settings: Settings;
  #order: number[] = [];
  #epoch = -1;
  learningRate: number;

  private constructor(gpu: Gpu, emoji: Emoji, settings: Settings) {
    this.gpu = gpu;
    this.#emoji = emoji;
    this.#settings = settings;
    this.learningRate = settings.learningRate;
    const { batch, seed } = settings;
    this.network = place(networkOf(settings), [gpu], {
      batch,
      seed,
      loss: softmaxCrossEntropy(),
      optimizer: sgd({ momentum: 0.9, weightDecay: 0.0005 }),
    });
    const { size, colours } = emoji;
    this.#augmenter = createInputAugmenter(this.network.inputs, {
      source: { height: size, width: size, channels: 3 },
      training: {
        crop: 'random',
        mirror: true,
        colour: {
          axes: colours.axes,
          standardDeviations: colours.standardDeviations.map((deviation) => 0.1 * deviation),
        },
      },
      mean: colours.mean,
      scale: 64,
    });
  }

  static async open(emoji: Emoji, settings: Settings): Promise<Learner> {
    return new Learner(await openGpu(), emoji, settings);
  }

  async step(): Promise<{ loss: number; top1Error: number }> {
    const { batch, seed } = this.#settings;
    const { train } = this.#emoji;
    const images = this.#nextImages(batch);
    const pixels = gather(train, images);
    await this.#augmenter.run({ pixels, images, training: true, seed, epoch: this.#epoch });
    const labels = images.map((image) => train.labels[image]!);
    return this.network.step(this.network.input, labels, { learningRate: this.learningRate });
  }

  /** Loss and error on the images of the fifth artist, and what the network says of some of them. */
  async evaluate(): Promise<{ loss: number; top1Error: number; predictions: Prediction[] }> {
    const { validation, size } = this.#emoji;
    const { batch } = this.#settings;
    const count = validation.labels.length;
    let [loss, errors] = [0, 0];
    const predictions: Prediction[] = [];
    for (let first = 0; first < count; first += batch) {
      const images = Array.from({ length: Math.min(batch, count - first) }, (_, image) => first + image);
      await this.#augmenter.run({ pixels: gather(validation, images), images, training: false, seed: 0, epoch: 0 });
      const labels = images.map((image) => validation.labels[image]!);
      const { losses, top1Errors, probabilities } = await this.network.evaluate(this.network.input, labels);
      for (const [position, image] of images.entries()) {
        loss += losses[position]! / count;
        errors += top1Errors[position]! / count;
        if (predictions.length >= shown) continue;
        const { classes } = this.#settings;
        const own = probabilities.data.subarray(position * classes, (position + 1) * classes);
        predictions.push(this.#prediction(image, own, size));
      }
    }
    return { loss, top1Error: errors, predictions };
  }

  async filters(): Promise<{ shape: readonly number[]; weights: Float32Array }> {
    const { 'conv1.weight': filters } = await this.network.parameters(['conv1.weight']);
    return { shape: filters!.shape, weights: filters!.data };
  }

  #prediction(image: number, probabilities: Float32Array, size: number): Prediction {
    const { validation, classes } = this.#emoji;
    const own = gather(validation, [image]);
    const pixels = new Uint8ClampedArray(4 * size ** 2).fill(255);
    for (let i = 0; i < own.length; i++) pixels[Math.floor(i / 3) * 4 + (i % 3)] = own[i]!;
    const guesses = Array.from(probabilities, (probability, label) => ({ label: classes[label]!, probability }))
      .sort((one, other) => other.probability - one.probability)
      .slice(0, 3);
    return { pixels, size, label: classes[validation.labels[image]!]!, guesses };
  }

  /** The next images of the epoch, in an order of its own; of the following one where it ends. */
  #nextImages(count: number): number[] {
    while (this.#order.length < count) this.#order.push(...this.#shuffled(++this.#epoch));
    return this.#order.splice(0, count);
  }

  #shuffled(epoch: number): number[] {
    const order = this.#emoji.train.labels.map((_, image) => image);
    for (let last = order.length - 1; last > 0; last--) {
      const [bits] = threefry2x32(this.#settings.seed, streamOf('page/order'), epoch, last);
      const other = bits! % (last + 1);
      [order[last], order[other]] = [order[other]!, order[last]!];
    }
    return order;
  }
}
