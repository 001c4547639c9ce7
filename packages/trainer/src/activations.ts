import type { Augmenter } from '@alex/augment';
import type { ImageBatch } from '@alex/data';
import { ConfigError, type HostTensor, type NetworkDescription } from '@alex/tensor';
import { elementsPerImage } from '@alex/tensor/kernels';
import { checkDescribed, type Network } from '@alex/tensor/network';
import { checkImages, checkViewer } from './checks.js';

/** A network, and the augmenter that writes images to its input. */
export interface Viewer {
  readonly network: Network;
  readonly augmenter: Augmenter;
}

/**
 * Returns a layer's activations for the centre of each image, with dropout off.
 *
 * @param images any number, of the size that the augmenter expects
 * @returns `[N, C, H, W]` or `[N, F]`
 * @throws ConfigError that names the layers there are, if there is none of this name, or for what is no network or no images
 */
export async function activationsOf(
  viewer: Viewer,
  images: Pick<ImageBatch, 'pixels' | 'count'>,
  layer: string,
): Promise<HostTensor> {
  checkViewer('activationsOf', viewer);
  checkImages('activationsOf', images);
  const { network, augmenter } = viewer;
  const shape = featureShape(network.description, layer);
  const bytes = images.pixels.length / images.count;
  const values = elementsPerImage([1, ...shape]);
  const data = new Float32Array(images.count * values);
  for (let first = 0; first < images.count; first += network.batch) {
    const size = Math.min(network.batch, images.count - first);
    await augmenter.run({
      pixels: images.pixels.subarray(first * bytes, (first + size) * bytes),
      images: Array.from({ length: size }, (_, image) => first + image),
      training: false,
      seed: 0,
      epoch: 0,
    });
    const { data: part } = await network.features(network.input, layer);
    data.set(part.subarray(0, size * values), first * values);
  }
  return { shape: [images.count, ...shape], data };
}

/**
 * The shape of a layer's output for one image: `[C, H, W]` or `[F]`.
 *
 * @throws ConfigError that names the layers there are, if there is none of this name
 */
export function featureShape(description: NetworkDescription, layer: string): readonly number[] {
  checkDescribed(description);
  const { name, layers } = description;
  const found = layers.find((one) => one.layer.name === layer);
  if (found) return found.outputShape.slice(1);
  const names = layers.map((one) => one.layer.name).join(', ');
  throw new ConfigError(`${name}: has no layer ${layer}; its layers are ${names}`);
}

/**
 * The last hidden layer: the input of the layer that computes the class scores, before dropout. In the paper's network, it is
 * `relu7`, whose 4,096 activations section 6.1 compares.
 *
 * @throws ConfigError if nothing comes before the last layer with parameters
 */
export function lastHiddenLayer(description: NetworkDescription): string {
  checkDescribed(description);
  const { name, layers } = description;
  const output = layers.findLastIndex(({ parameters }) => parameters.length > 0);
  const hidden = layers.slice(0, Math.max(0, output)).findLast(({ layer }) => layer.kind !== 'dropout');
  if (hidden) return hidden.layer.name;
  throw new ConfigError(`${name}: has no hidden layer; name the layer whose activations are to be compared`);
}
