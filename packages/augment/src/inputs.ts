import { ConfigError } from '@alex/tensor';
import { checkOptions, checkWholeNumber } from '@alex/tensor/kernels';
import type { NetworkInput } from '@alex/tensor/network';
import { type Augmenter, checkPixels, createAugmenter } from './augmenter.js';
import type { AugmenterOptions } from './options.js';

/**
 * One augmenter for all inputs of a network, on one or several adapters: each adapter prepares the images that it
 * needs. Augmentation depends on the image, not on the adapter, so adapters that need the same images produce the same.
 *
 * @throws the same errors as `createAugmenter`
 */
export function createInputAugmenter(
  inputs: readonly NetworkInput[],
  options: Omit<AugmenterOptions, 'output'>,
): Augmenter {
  if (!Array.isArray(inputs) || inputs.length === 0) {
    throw new ConfigError(`augmenter: inputs are those of a network, network.inputs; got ${String(inputs)}`);
  }
  checkOptions('augmenter', options, ['source', 'training', 'mean', 'meanAt', 'scale', 'padding']);
  const made: { readonly augmenter: Augmenter; readonly first: number; readonly end: number }[] = [];
  const dispose = () => {
    for (const { augmenter } of made) augmenter.dispose();
  };
  try {
    for (const { gpu, tensor, firstImage } of inputs) {
      const end = firstImage + tensor.shape[0]!;
      made.push({ augmenter: createAugmenter(gpu, { ...options, output: tensor }), first: firstImage, end });
    }
  } catch (error) {
    dispose();
    throw error;
  }
  const most = Math.max(...made.map(({ end }) => end));
  return {
    async run(batch) {
      const { pixels, images } = batch ?? {};
      checkWholeNumber('augmenter', 'the number of images', images?.length, 1, most);
      checkPixels(pixels);
      const bytes = pixels.length / images.length;
      const numbers = Array.from(images);
      const { chunk = 1 } = options.training;
      const sharesWith = numbers.map((_, image) => numbers[image - (image % chunk)]!);
      for (const { augmenter, first, end } of made) {
        // Adapters beyond the last image have nothing to do: their values belong to no image.
        if (first >= images.length) continue;
        await augmenter.run({
          ...batch,
          pixels: pixels.subarray(first * bytes, end * bytes),
          images: numbers.slice(first, end),
          sharesWith: sharesWith.slice(first, end),
        });
      }
    },
    dispose,
  };
}
