import type { Augmenter } from '@alex/augment';
import type { PictureBatch } from '@alex/data';
import type { Network } from '@alex/tensor';

/** One class that a picture may show. */
export interface Prediction {
  /** Index of the class. */
  readonly label: number;
  /** Between 0 and 1. */
  readonly probability: number;
}

/**
 * What the centre of each picture shows, likeliest class first.
 *
 * @param pictures of any number, of the size that the augmenter takes
 * @param count classes a picture: 5 where it is left out, fewer where there are fewer
 */
export async function predict(
  { network, augmenter }: { readonly network: Network; readonly augmenter: Augmenter },
  pictures: Pick<PictureBatch, 'pixels' | 'count'>,
  count = 5,
): Promise<Prediction[][]> {
  const bytes = pictures.pixels.length / pictures.count;
  const predictions: Prediction[][] = [];
  for (let first = 0; first < pictures.count; first += network.batch) {
    const size = Math.min(network.batch, pictures.count - first);
    await augmenter.run({
      pixels: pictures.pixels.subarray(first * bytes, (first + size) * bytes),
      pictures: Array.from({ length: size }, (_, image) => first + image),
      training: false,
      seed: 0,
      epoch: 0,
    });
    const { probabilities } = await network.evaluate(network.input, new Uint32Array(size));
    const classes = network.description.output[0]!;
    for (let image = 0; image < size; image++) {
      const own = probabilities.data.subarray(image * classes, (image + 1) * classes);
      predictions.push(
        Array.from(own, (probability, label) => ({ label, probability }))
          .sort((one, other) => other.probability - one.probability)
          .slice(0, count),
      );
    }
  }
  return predictions;
}
