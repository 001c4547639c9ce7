import type { Dataset, Split } from '@alex/data';
import { threefry2x32 } from '@alex/tensor/kernels';
import type { Curve } from './curve.js';
import type { Activation } from './network.js';

const side = 8;
const bytes = side * side * 3;

/** Dark and bright images, which any network distinguishes; the eight other classes have none. */
function splitOf(length: number): Split {
  const labels = Uint32Array.from({ length }, (_, image) => image % 2);
  return {
    length,
    labels,
    imageName: (image) => `image ${image}`,
    async read(indices) {
      const images = Array.from(indices);
      const pixels = new Uint8Array(images.length * bytes);
      for (const [at, image] of images.entries()) {
        for (let i = 0; i < bytes; i++) {
          pixels[at * bytes + i] = 60 + 100 * labels[image]! + (threefry2x32(1, 1, image, i)[0] % 40);
        }
      }
      const shape = { height: side, width: side, channels: 3 };
      return { ...shape, count: images.length, pixels, labels: Uint32Array.from(images, (image) => labels[image]!) };
    },
  };
}

export const brightness: Dataset = {
  name: 'brightness',
  classes: Array.from({ length: 10 }, (_, label) => `class ${label}`),
  channels: 3,
  height: side,
  width: side,
  train: splitOf(64),
  validation: splitOf(16),
};

/** A curve that falls by `share` every epoch from 90%. */
export function fallingCurve(
  activation: Activation,
  { learningRate = 0.001, seed = 1, epochs = 10, share = 0.1, divergedAt = undefined as number | undefined } = {},
): Curve {
  return {
    ...{ activation, learningRate, seed, adapter: 'test', stepsPerEpoch: 390, seconds: 100 * epochs },
    errors: Array.from({ length: epochs }, (_, epoch) => 0.9 * (1 - share) ** (epoch + 1)),
    ...(divergedAt !== undefined && { divergedAt }),
  };
}
