import { type Augmenter, createInputAugmenter } from '@alex/augment';
import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { type Gpu, openGpu } from '@alex/tensor';
import type { Network } from '@alex/tensor/network';
import type { Model } from './model.js';

export interface Guess {
  readonly label: string;
  readonly probability: number;
}

/** A network with its weights, which says what is on images. */
export class Classifier {
  readonly gpu: Gpu;
  readonly #model: Model;
  readonly #network: Network;
  readonly #augmenter: Augmenter;

  private constructor(gpu: Gpu, model: Model) {
    this.gpu = gpu;
    this.#model = model;
    const { height, width, channels, mean, meanImage, scale, padding } = model.images;
    const description = alexnet({ ...model.model, classes: model.classes.length, channels });
    this.#network = place(description, [gpu], { batch: 1, training: false });
    this.#network.loadParameters(model.weights);
    this.#augmenter = createInputAugmenter(this.#network.inputs, {
      source: { height, width, channels },
      training: { crop: 'centre', mirror: false },
      mean: meanImage === undefined ? mean : floatsOf(meanImage),
      scale,
      padding,
    });
  }

  static async open(model: Model): Promise<Classifier> {
    return new Classifier(await openGpu(), model);
  }

  /** The likely classes of an image, the first one first. */
  async classify(image: ImageBitmapSource, count = 5): Promise<Guess[]> {
    const pixels = await pixelsOf(image, this.#model.images);
    await this.#augmenter.run({ pixels, images: [0], training: false, seed: 0, epoch: 0 });
    const { probabilities } = await this.#network.evaluate(this.#network.input, [0]);
    return Array.from(probabilities.data, (probability, label) => ({ label: this.#model.classes[label]!, probability }))
      .sort((one, other) => other.probability - one.probability)
      .slice(0, count);
  }

  dispose(): void {
    this.#augmenter.dispose();
    this.#network.dispose();
    this.gpu.dispose();
  }
}

/** The central part of an image, scaled to a size: the channels of each pixel, row by row. */
async function pixelsOf(source: ImageBitmapSource, { height, width, channels }: Model['images']): Promise<Uint8Array> {
  const image = await createImageBitmap(source);
  const scale = Math.max(width / image.width, height / image.height);
  const [w, h] = [scale * image.width, scale * image.height];
  const context = new OffscreenCanvas(width, height).getContext('2d')!;
  context.imageSmoothingQuality = 'high';
  context.fillStyle = 'white';
  context.fillRect(0, 0, width, height);
  context.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
  const { data } = context.getImageData(0, 0, width, height);
  const grey = (i: number) => 0.299 * data[4 * i]! + 0.587 * data[4 * i + 1]! + 0.114 * data[4 * i + 2]!;
  return channels === 1
    ? Uint8Array.from({ length: width * height }, (_, i) => Math.round(grey(i)))
    : (data.filter((_, i) => i % 4 < 3).slice() as unknown as Uint8Array);
}

/** Float32 values in base64, little-endian. */
function floatsOf(text: string): Float32Array {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}
