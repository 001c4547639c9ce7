import { relu, tanh } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { localResponseNorm } from '@alex/lrn';
import { sgd } from '@alex/optim';
import { averagePool, maxPool } from '@alex/pool';
import { describeNetwork, type Gpu, type Layer } from '@alex/tensor';
import { elementwiseLayer } from '@alex/tensor/kernels';
import { compileNetwork } from '@alex/tensor/network';
import { randomTensor, recordedKernels, testGpu } from '@alex/tensor/testing';
import { beforeAll, expect, test } from 'vitest';
import { alexnet } from './alexnet.js';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

const leaky = elementwiseLayer({
  kind: 'leakyRelu',
  value: 'max(x, 0.01 * x)',
  derivative: 'select(0.01, 1.0, y > 0.0)',
});
const initial = { weightDeviation: 0.3 };
const weights = (index: number) => conv2d({ name: `conv${index}`, filters: 4, kernel: 3, padding: 1, initial });
/** Every layer that accepts an epilogue, above an activation that offers one, and above one that does not. */
const layers: readonly Layer[] = [
  weights(1),
  relu({ name: 'relu1' }),
  localResponseNorm({ name: 'norm1', alpha: 0.5 }),
  weights(2),
  leaky,
  maxPool({ name: 'pool2', size: 3, stride: 2 }),
  weights(3),
  relu({ name: 'relu3' }),
  averagePool({ name: 'pool3', size: 2, stride: 1 }),
  weights(4),
  tanh({ name: 'tanh4' }),
  maxPool({ name: 'pool4', size: 2, stride: 1, ties: 'all' }),
  dense({ name: 'fc5', units: 16, initial }),
  relu({ name: 'relu5' }),
  dropout({ name: 'drop5' }),
  dense({ name: 'fc6', units: 3, initial }),
];

async function gradientsOf(layers: readonly Layer[], batch: number) {
  const description = describeNetwork({ name: 'little', input: [2, 12, 11], layers });
  const network = await compileNetwork(description, gpu, {
    batch,
    loss: softmaxCrossEntropy(),
    optimizer: sgd(),
    seed: 3,
  });
  try {
    const labels = Array.from({ length: batch }, (_, image) => image % 3);
    return await network.gradients(randomTensor([batch, 2, 12, 11], 5), labels);
  } finally {
    network.dispose();
  }
}

test.each([3, 4])(
  'gradients are the same, whichever layer computes the backward pass of an activation: batch %i',
  async (batch) => {
    const alone = layers.map(({ takesGradientEpilogue: _, ...layer }): Layer => layer);
    const [together, apart] = [await gradientsOf(layers, batch), await gradientsOf(alone, batch)];
    expect(Object.keys(together)).toHaveLength(12);
    for (const [path, { data }] of Object.entries(together)) {
      expect(data.some((value) => value !== 0)).toBe(true);
      expect([path, ...data]).toEqual([path, ...apart[path]!.data]);
    }
  },
);

test("in the paper's network, no activation has a separate backward pass on GPUs", () => {
  const kernels = recordedKernels(
    alexnet({ variant: 'paper' }),
    { kind: 'hardware', subgroupSize: 32, bindingBytes: 2 ** 31 },
    { batch: 128, loss: softmaxCrossEntropy(), optimizer: sgd() },
  );
  const labels = kernels.filter(({ program }) => program === 'train').map(({ label }) => label);
  expect(labels.filter((label) => label.includes('relu'))).toEqual([]);
  // Products also compute the gradients of biases, except those of Winograd's algorithm.
  expect(labels.filter((label) => label.endsWith('biasGradient'))).toHaveLength(3);
  // The three largest weights are updated while their gradients are computed, all others together, as far as 8 bindings
  // allow.
  expect(labels.filter((label) => label.startsWith('sgd'))).toHaveLength(7);
  // Each takes a GPU some microseconds to start.
  expect(labels.length).toBeLessThanOrEqual(80);
});
