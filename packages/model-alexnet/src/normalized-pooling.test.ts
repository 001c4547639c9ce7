import { relu } from '@alex/activations';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { localResponseNorm } from '@alex/lrn';
import { sgd } from '@alex/optim';
import { type MaxPoolOptions, maxPool } from '@alex/pool';
import { describeNetwork, type Layer, type NetworkDescription } from '@alex/tensor';
import { compileNetwork, type Network } from '@alex/tensor/network';
import { randomTensor, testGpu } from '@alex/tensor/testing';
import { describe, expect, test } from 'vitest';

const optimizer = sgd({ learningRate: 0.05 });
const kernel = { kernel: 3, padding: 1, initial: { weightDeviation: 0.3 } } as const;

const layersOf = (pool: MaxPoolOptions, groups = 2): readonly Layer[] => [
  conv2d({ name: 'conv1', filters: 44, ...kernel }),
  relu({ name: 'relu1' }),
  localResponseNorm({ name: 'norm1', alpha: 0.5, groups }),
  maxPool({ name: 'pool1', ...pool }),
  dense({ name: 'fc2', units: 3 }),
];

const describedBy = (layers: readonly Layer[]) => describeNetwork({ name: 'little', input: [2, 14, 11], layers });

/** Layers that leave nothing to the layer above or below. */
const apart = (layers: readonly Layer[]) =>
  layers.map(
    ({ stream: _stream, takesStream: _takesStream, gather: _gather, takesGather: _takesGather, ...layer }): Layer =>
      layer,
  );

/** What a use of a network on an adapter that is taken for a GPU gives. */
async function onGpu<Result>(
  description: NetworkDescription,
  batch: number,
  use: (network: Network, images: ReturnType<typeof randomTensor>, labels: number[]) => Promise<Result>,
): Promise<Result> {
  const gpu = await testGpu({ subgroups: false }, 'hardware');
  const network = await compileNetwork(description, gpu, { batch, loss: softmaxCrossEntropy(), optimizer, seed: 3 });
  try {
    const labels = Array.from({ length: batch }, (_, image) => image % 3);
    return await use(network, randomTensor([batch, ...description.input], 5), labels);
  } finally {
    network.dispose();
  }
}

describe('normalization and the pooling above it, where a GPU does both at once', () => {
  test.each<[string, number, MaxPoolOptions]>([
    ["as in the paper's network", 8, { size: 3, stride: 2, rounding: 'ceil' }],
    ['padded, with images that fill no tile', 20, { size: 3, stride: 2, padding: 1 }],
    [
      'of windows that are not square',
      4,
      { size: [2, 3], stride: [2, 1], padding: { top: 1, left: 0, bottom: 0, right: 2 } },
    ],
  ])('have the bits that they have one after the other: %s', async (_, batch, pool) => {
    const layers = layersOf(pool);
    const use = async (network: Network, images: ReturnType<typeof randomTensor>, labels: number[]) => {
      const dispatches = (await network.profile(images, labels)).map(({ label }) => label);
      return { dispatches, gradients: await network.gradients(images, labels), output: await network.forward(images) };
    };
    const got = await onGpu(describedBy(layers), batch, use);
    const want = await onGpu(describedBy(apart(layers)), batch, use);
    const [alone, together] = [want, got].map(({ dispatches }) =>
      dispatches.filter((label) => /^(norm|pool)/.test(label)),
    );
    expect(alone).toEqual(['norm1/forward', 'pool1/forward', 'pool1/backward', 'norm1/backward']);
    expect(together).toEqual(['pool1/forward', 'norm1/backward']);
    expect(got.output.data).toEqual(want.output.data);
    for (const [path, { data }] of Object.entries(got.gradients)) {
      expect(data.some((value) => value !== 0)).toBe(true);
      expect([path, ...data]).toEqual([path, ...want.gradients[path]!.data]);
    }
  });

  test('stay apart where images do not go by fours, where windows lie apart, and where all maxima get the gradient', async () => {
    const labelsOf = async (batch: number, pool: MaxPoolOptions) =>
      onGpu(describedBy(layersOf(pool)), batch, async (network, images, labels) =>
        (await network.profile(images, labels)).map(({ label }) => label).filter((label) => /^(norm|pool)/.test(label)),
      );
    const all = ['norm1/forward', 'pool1/forward', 'pool1/backward', 'norm1/backward'];
    expect(await labelsOf(3, { size: 3, stride: 2 })).toEqual(all);
    expect(await labelsOf(4, { size: 3, stride: 2, ties: 'all' })).toEqual(all);
    // What lies between windows would be worked out in vain; gradients are gathered all the same.
    const forwardApart = all.filter((label) => label !== 'pool1/backward');
    expect(await labelsOf(4, { size: 2, stride: 3 })).toEqual(forwardApart);
  });

  test('leave what is asked of the normalization itself', async () => {
    const description = describedBy(layersOf({ size: 3, stride: 2 }));
    const want = await onGpu(
      describedBy(apart(layersOf({ size: 3, stride: 2 }))),
      4,
      async (network, images, labels) => ({
        features: await network.features(images, 'norm1'),
        statistics: await network.statistics(images, labels),
      }),
    );
    const got = await onGpu(description, 4, async (network, images, labels) => ({
      features: await network.features(images, 'norm1'),
      statistics: await network.statistics(images, labels),
    }));
    expect(got.features.data).toEqual(want.features.data);
    expect(got.statistics).toEqual(want.statistics);
  });

  test('a value that is no number wins its window, as ever', async () => {
    const layers = [
      localResponseNorm({ name: 'norm1', alpha: 0.5 }),
      maxPool({ name: 'pool1', size: 3, stride: 2 }),
      dense({ name: 'fc2', units: 3 }),
    ];
    const withNan = (images: ReturnType<typeof randomTensor>) => {
      images.data[40] = Number.NaN;
      return images;
    };
    const [got, want] = [
      await onGpu(describedBy(layers), 4, (network, images) => network.features(withNan(images), 'pool1')),
      await onGpu(describedBy(apart(layers)), 4, (network, images) => network.features(withNan(images), 'pool1')),
    ];
    expect(got.data.some(Number.isNaN)).toBe(true);
    expect(got.data).toEqual(want.data);
  });
});
