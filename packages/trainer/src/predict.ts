import type { ImageBatch } from '@alex/data';
import { checkWholeNumber } from '@alex/tensor/kernels';
import { checkImages, checkViewer } from './checks.js';
import { shown, type Viewer } from './viewer.js';

/** A class that an image may belong to. */
export interface Prediction {
  /** Index of the class. */
  readonly label: number;
  /** Between 0 and 1. */
  readonly probability: number;
}

/**
 * The predicted classes of the centre of each image, most likely first.
 *
 * @param images any number, of the size that the augmenter expects
 * @param count classes per image; default: 5, or all if there are fewer
 * @throws ConfigError for what is no network, no images or no number
 */
export async function predict(
  viewer: Viewer,
  images: Pick<ImageBatch, 'pixels' | 'count'>,
  count = 5,
): Promise<Prediction[][]> {
  checkViewer('predict', viewer);
  checkImages('predict', images);
  checkWholeNumber('predict', 'count', count);
  const { network } = viewer;
  const predictions: Prediction[][] = [];
  for await (const { size } of shown(viewer, images)) {
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
