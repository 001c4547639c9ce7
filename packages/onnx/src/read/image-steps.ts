import type { HostTensor } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';
import type { Preprocessing } from '../preprocessing.js';
import type { Node } from './node.js';

/** What must be done to the first filters so that they take images prepared by one mean and one scale. */
export interface FirstFilters {
  /** The channel of the images that each channel of the filters reads. */
  readonly order: readonly number[];
  /** A factor for each channel of the filters. */
  readonly factors: readonly number[];
}

/**
 * What is done to the images before the first layer, collected step by step: channel `i` is `(pixels[order[i]] - mean[i]) /
 * deviation[i]`.
 */
export class ImageSteps {
  #size: readonly number[];
  readonly #whole: readonly number[];
  #order: number[];
  #mean: number[];
  #deviations: number[];
  #meanImage: HostTensor | undefined;
  #found = false;

  constructor([, channels = 0, ...size]: readonly number[]) {
    this.#whole = size;
    this.#size = size;
    this.#order = Array.from({ length: channels }, (_, i) => i);
    this.#mean = new Array<number>(channels).fill(0);
    this.#deviations = new Array<number>(channels).fill(1);
  }

  /** Subtracts one value, one per channel, or an image. */
  subtract(node: Node, value: HostTensor): void {
    this.#found = true;
    const values = this.#perChannel(value);
    if (values) {
      this.#mean = this.#mean.map((mean, channel) => mean + values[channel]! * this.#deviations[channel]!);
      return;
    }
    const channels = this.#order.length;
    const shape = value.shape.slice(-3);
    const fits = shape.join() === [channels, ...this.#whole].join() && elementCount(shape) === value.data.length;
    if (!fits || this.#size !== this.#whole || this.#meanImage || new Set(this.#deviations).size > 1) {
      node.refuse(
        `subtracts values of the shape [${value.shape.join(', ')}] from the images; one value per channel, or one image before anything else, is understood`,
      );
    }
    const scale = this.#deviations[0]!;
    this.#meanImage = { shape, data: value.data.map((one) => one * scale) };
  }

  /** Divides by one value, or one per channel. */
  divide(node: Node, value: HostTensor): void {
    this.#found = true;
    const values = this.#perChannel(value);
    if (!values || values.some((one) => !(one > 0))) {
      node.refuse('the images can be divided by a number above 0, or by one per channel');
    }
    this.#deviations = this.#deviations.map((deviation, channel) => deviation * values![channel]!);
  }

  /** Takes the channels in another order. */
  reorder(node: Node, order: readonly number[]): void {
    this.#found = true;
    const channels = this.#order.length;
    const places = order.map((channel) => (channel + channels) % channels);
    if ([...places].sort().join() !== this.#order.map((_, i) => i).join() || this.#meanImage) {
      node.refuse(`takes the channels ${order.join(', ')} of the images; each must be taken once, before a mean image`);
    }
    const inOrder = (values: readonly number[]) => places.map((place) => values[place]!);
    this.#order = inOrder(this.#order);
    this.#mean = inOrder(this.#mean);
    this.#deviations = inOrder(this.#deviations);
  }

  /** Cuts out a part, which must be the centre. */
  crop(node: Node, begin: readonly [number, number], size: readonly [number, number]): void {
    this.#found = true;
    const centre = size.map((one, axis) => Math.floor((this.#size[axis]! - one) / 2));
    if (this.#size !== this.#whole || begin.join() !== centre.join()) {
      node.refuse(
        `cuts out ${size.join(' x ')} pixels from ${begin.join(', ')} on; only the centre, once, is understood`,
      );
    }
    this.#size = size;
  }

  /** How images become the network's input, if the model says so, and what the first filters must be multiplied by. */
  finish(): { readonly preprocessing?: Preprocessing; readonly filters: FirstFilters } {
    const order = this.#order;
    const same = new Set(this.#deviations).size === 1;
    const scale = same ? this.#deviations[0]! : 1;
    const factors = this.#deviations.map((deviation) => scale / deviation);
    const mean = order.map((_, channel) => this.#mean[order.indexOf(channel)]!);
    const preprocessing: Preprocessing = {
      imageSize: this.#whole as [number, number],
      mean: this.#meanImage ? this.#imageInOrder(this.#meanImage, mean) : mean,
      scale,
    };
    return { ...(this.#found && { preprocessing }), filters: { order, factors } };
  }

  /** A mean image in the order of the images' channels, with what was subtracted from whole channels. */
  #imageInOrder({ shape, data }: HostTensor, mean: readonly number[]): HostTensor {
    const plane = elementCount(shape.slice(1));
    const ordered = new Float32Array(data.length);
    for (const [channel, value] of mean.entries()) {
      const from = this.#order.indexOf(channel) * plane;
      for (let i = 0; i < plane; i++) ordered[channel * plane + i] = data[from + i]! + value;
    }
    return { shape, data: ordered };
  }

  /** Values that are the same all over a channel; nothing if they are not. */
  #perChannel({ shape, data }: HostTensor): number[] | undefined {
    const channels = this.#order.length;
    if (data.length === 1) return new Array<number>(channels).fill(data[0]!);
    const isPerChannel = data.length === channels && shape.at(-3) === channels;
    return isPerChannel ? Array.from(data) : undefined;
  }
}
