import type { ImageBatch } from '@alex/data';
import { ConfigError, type HostTensor, type NetworkDescription } from '@alex/tensor';
import { elementsPerImage } from '@alex/tensor/kernels';
import { checkDescribed } from '@alex/tensor/network';
import { checkImages, checkViewer } from './checks.js';
import { shown, type Viewer } from './viewer.js';

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
  const { network } = viewer;
  const shape = featureShape(network.description, layer);
  const values = elementsPerImage([1, ...shape]);
  const data = new Float32Array(images.count * values);
  for await (const { first, size } of shown(viewer, images)) {
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
