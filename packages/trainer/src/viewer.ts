import type { Augmenter } from '@alex/augment';
import type { ImageBatch } from '@alex/data';
import type { Network } from '@alex/tensor/network';

/** A network, and the augmenter that writes images to its input. */
export interface Viewer {
  readonly network: Network;
  readonly augmenter: Augmenter;
}

/**
 * Writes the centre of each image to the network's input, as many at a time as its batch holds.
 *
 * @returns which images are at the input: the index of the first of them, and their number
 */
export async function* shown(
  { network, augmenter }: Viewer,
  { pixels, count }: Pick<ImageBatch, 'pixels' | 'count'>,
): AsyncGenerator<{ readonly first: number; readonly size: number }> {
  const bytes = pixels.length / count;
  for (let first = 0; first < count; first += network.batch) {
    const size = Math.min(network.batch, count - first);
    await augmenter.run({
      pixels: pixels.subarray(first * bytes, (first + size) * bytes),
      images: Array.from({ length: size }, (_, image) => first + image),
      training: false,
      seed: 0,
      epoch: 0,
    });
    yield { first, size };
  }
}
