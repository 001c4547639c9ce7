import { createInputAugmenter } from '@alex/augment';
import type { Dataset, Split } from '@alex/data';
import { sgd } from '@alex/optim';
import { DataError, type Optimizer } from '@alex/tensor';
import { threefry2x32 } from '@alex/tensor/kernels';
import type { Network } from '@alex/tensor/network';
import type { RunConfig } from './config.js';
import type { Recipe } from './recipe.js';
import type { Placed } from './stepper.js';

const side = 26;
const inputSize = 24;
const classes = ['dark', 'bright', 'noisy'];

/** Images of three kinds that are easy to distinguish; `broken` cannot be read. */
function splitOf(length: number, seed: number, broken?: number): Split {
  const labels = Uint32Array.from({ length }, (_, i) => i % classes.length);
  return {
    length,
    labels,
    imageName: (i) => `image ${i}`,
    async read(indices) {
      const wanted = Array.from(indices);
      if (broken !== undefined && wanted.includes(broken)) throw new DataError(`image ${broken} is torn; replace it`);
      const bytes = side * side * 3;
      const pixels = new Uint8Array(wanted.length * bytes);
      for (const [at, image] of wanted.entries()) {
        for (let i = 0; i < bytes; i++) {
          const noise = threefry2x32(seed, 1, image, i)[0] % 60;
          pixels[at * bytes + i] = [20, 180, 0][labels[image]!]! + (labels[image] === 2 ? noise * 4 : noise);
        }
      }
      const shape = { height: side, width: side, channels: 3 };
      return { ...shape, count: wanted.length, pixels, labels: Uint32Array.from(wanted, (i) => labels[i]!) };
    },
  };
}

/** 21 training images, 10 validation images. */
export function datasetOf(options: { broken?: number } = {}): Dataset {
  const shape = { height: side, width: side, channels: 3 };
  return { name: 'kinds', classes, ...shape, train: splitOf(21, 1, options.broken), validation: splitOf(10, 2) };
}

/** A run of some steps of the small network on them. */
export function configOf(recipe: Partial<Recipe> = {}): RunConfig {
  return {
    model: { variant: 'small', inputSize },
    data: { source: 'test', name: 'kinds', classes, height: side, width: side, channels: 3 },
    images: { crop: 'random', mirror: true, padding: 0, mean: [100, 100, 100], scale: 64 },
    recipe: {
      batch: 4,
      steps: 12,
      seed: 3,
      learningRate: 0.01,
      schedule: { kind: 'plateau', factor: 0.5, patience: 1, threshold: 0, drops: 3 },
      momentum: 0.9,
      weightDecay: 0.0005,
      evaluateEvery: 3,
      checkpointEvery: 4,
      ...recipe,
    },
  };
}

/** A network of a run, and the augmenter for its input. */
export function withAugmenter(network: Network, { images, data }: RunConfig): Placed & { dispose(): void } {
  const augmenter = createInputAugmenter(network.inputs, {
    source: data,
    training: { crop: images.crop, mirror: images.mirror },
    mean: images.mean,
    scale: images.scale,
  });
  return {
    network,
    augmenter,
    dispose() {
      augmenter.dispose();
      network.dispose();
    },
  };
}

/** The optimizer that a recipe describes. */
export function sgdOf({ learningRate, momentum, weightDecay }: Recipe): Optimizer {
  return sgd({ learningRate, momentum, weightDecay });
}
