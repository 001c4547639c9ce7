import { relu } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { localResponseNorm } from '@alex/lrn';
import { sgd } from '@alex/optim';
import { maxPool } from '@alex/pool';
import { describeNetwork, type Gpu, type Layer } from '@alex/tensor';
import { compileNetwork, type Precision } from '@alex/tensor/network';
import { randomTensor, relativeError, testGpu } from '@alex/tensor/testing';
import { expect, test } from 'vitest';

const initial = { weightDeviation: 0.2 };
const layers: readonly Layer[] = [
  conv2d({ name: 'conv1', filters: 8, kernel: 3, initial }),
  relu({ name: 'relu1' }),
  localResponseNorm({ name: 'norm1', alpha: 0.5 }),
  maxPool({ name: 'pool1', size: 3, stride: 2 }),
  conv2d({ name: 'conv2', filters: 8, kernel: 3, padding: 1, initial }),
  relu({ name: 'relu2' }),
  conv2d({ name: 'conv3', filters: 4, kernel: 2, initial }),
  relu({ name: 'relu3' }),
  dense({ name: 'fc4', units: 16, initial }),
  relu({ name: 'relu4' }),
  dropout({ name: 'drop4' }),
  dense({ name: 'fc5', units: 3, initial }),
];

async function trained(gpu: Gpu, precision: Precision) {
  const batch = 4;
  const network = await compileNetwork(describeNetwork({ name: 'little', input: [2, 12, 11], layers }), gpu, {
    batch,
    loss: softmaxCrossEntropy(),
    optimizer: sgd({ learningRate: 0.05 }),
    precision,
    seed: 3,
  });
  try {
    const losses: number[] = [];
    for (let step = 0; step < 3; step++) {
      const labels = Array.from({ length: batch }, (_, image) => (image + step) % 3);
      losses.push((await network.step(randomTensor([batch, 2, 12, 11], step), labels)).loss);
    }
    return { losses, parameters: await network.parameters() };
  } finally {
    network.dispose();
  }
}

test.for<Precision>(['float32', 'mixed'])(
  'training gives the same result if kernels of a step are joined, as on a GPU: %s',
  async (precision, { skip }) => {
    const [apart, joined] = [await testGpu({ subgroups: false }), await testGpu({ subgroups: false }, 'hardware')];
    if (precision === 'mixed' && !apart.features.has('shader-f16')) return skip('no f16');
    const [want, got] = [await trained(apart, precision), await trained(joined, precision)];
    const tolerance = precision === 'mixed' ? 2e-2 : 1e-5;
    expect(relativeError(got.losses, want.losses)).toBeLessThan(tolerance);
    expect(Object.keys(got.parameters)).toHaveLength(10);
    for (const [path, { data }] of Object.entries(got.parameters)) {
      expect(relativeError(data, want.parameters[path]!.data), path).toBeLessThan(tolerance);
    }
  },
);
