import { relu } from '@alex/activations';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { localResponseNorm } from '@alex/lrn';
import { sgd } from '@alex/optim';
import { type MaxPoolOptions, maxPool } from '@alex/pool';
import { describeNetwork, type Gpu, type Layer } from '@alex/tensor';
import { compileNetwork, type Precision } from '@alex/tensor/network';
import { randomTensor, relativeError, testGpu } from '@alex/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu({ subgroups: false }, 'hardware');
});

const layersOf = (pool: MaxPoolOptions): readonly Layer[] => [
  conv2d({ name: 'conv1', filters: 44, kernel: 3, padding: 1, initial: { weightDeviation: 0.3 } }),
  relu({ name: 'relu1' }),
  localResponseNorm({ name: 'norm1', alpha: 0.5, groups: 2 }),
  maxPool({ name: 'pool1', ...pool }),
  dense({ name: 'fc2', units: 3 }),
];

/** Layers that never compute the operation of the layer above. */
const apart = (layers: readonly Layer[]) => layers.map(({ takesGather: _, ...layer }): Layer => layer);

/** The gradients of all parameters, and the backward passes of normalization and pooling that computed them. */
async function backwardOf(layers: readonly Layer[], batch: number, precision: Precision = 'float32') {
  const description = describeNetwork({ name: 'little', input: [2, 14, 11], layers });
  const network = await compileNetwork(description, gpu, {
    batch,
    precision,
    loss: softmaxCrossEntropy(),
    optimizer: sgd(),
    seed: 3,
  });
  try {
    const images = randomTensor([batch, ...description.input], 5);
    const labels = Array.from({ length: batch }, (_, image) => image % 3);
    const profile = await network.profile(images, labels);
    const passes = profile.map(({ label }) => label).filter((label) => /^(norm|pool)1\/backward/.test(label));
    return { passes, gradients: await network.gradients(images, labels) };
  } finally {
    network.dispose();
  }
}

const poolings: readonly [string, number, MaxPoolOptions][] = [
  ["as in the paper's network", 8, { size: 3, stride: 2, rounding: 'ceil' }],
  ['padded', 20, { size: 3, stride: 2, padding: 1 }],
  [
    'of windows that are not square',
    4,
    { size: [2, 3], stride: [2, 1], padding: { top: 1, left: 0, bottom: 0, right: 2 } },
  ],
  ['of windows with gaps between them', 4, { size: 2, stride: 3 }],
];

describe("normalization that gathers the pooling's gradient, on GPUs", () => {
  test.each(poolings)('gives the same bits as separate kernels: %s', async (_, batch, pool) => {
    const layers = layersOf(pool);
    const [got, want] = [await backwardOf(layers, batch), await backwardOf(apart(layers), batch)];
    expect(want.passes).toEqual(['pool1/backward', 'norm1/backward']);
    expect(got.passes).toEqual(['norm1/backward']);
    for (const [path, { data }] of Object.entries(got.gradients)) {
      expect(data.some((value) => value !== 0)).toBe(true);
      expect([path, ...data]).toEqual([path, ...want.gradients[path]!.data]);
    }
  });

  test.for(poolings)('differs by a rounding in mixed precision: %s', async ([_, batch, pool], { skip }) => {
    skip(!gpu.features.has('shader-f16'), 'this adapter has no shader-f16');
    const layers = layersOf(pool);
    const [got, want] = [await backwardOf(layers, batch, 'mixed'), await backwardOf(apart(layers), batch, 'mixed')];
    expect(got.passes).toEqual(['norm1/backward']);
    // Between separate kernels, values are stored as f16.
    for (const [path, { data }] of Object.entries(got.gradients)) {
      expect(relativeError(data, want.gradients[path]!.data), path).toBeLessThan(2e-3);
    }
  });

  test.each<[string, number, MaxPoolOptions]>([
    ['the number of images is not a multiple of four', 3, { size: 3, stride: 2 }],
    ['all maxima get the gradient', 4, { size: 3, stride: 2, ties: 'all' }],
    ['more than nine windows contain a position', 4, { size: 4, stride: 1 }],
  ])('leaves the pooling separate if %s', async (_, batch, pool) => {
    expect((await backwardOf(layersOf(pool), batch)).passes).toEqual(['pool1/backward', 'norm1/backward']);
  });
});
