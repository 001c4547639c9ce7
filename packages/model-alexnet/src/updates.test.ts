import { relu } from '@alex/activations';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { adam, sgd } from '@alex/optim';
import { describeNetwork, type Gpu, type Optimizer } from '@alex/tensor';
import { compileNetwork, type Precision } from '@alex/tensor/network';
import { randomTensor, relativeError, testGpu } from '@alex/tensor/testing';
import { expect, test } from 'vitest';

/** More weights in its largest layer than are updated together with others. What it reads is stored as f16 in mixed precision. */
const input = [1, 32, 33] as const;
const layers = [
  relu({ name: 'relu0' }),
  dense({ name: 'fc1', units: 1000 }),
  relu({ name: 'relu1' }),
  dense({ name: 'fc2', units: 3 }),
];

interface Training {
  readonly precision: Precision;
  readonly optimizer: Optimizer;
  readonly microBatches?: number;
}

async function trained(gpu: Gpu, { microBatches = 1, ...options }: Training) {
  const batch = 4;
  const network = await compileNetwork(describeNetwork({ name: 'wide', input, layers }), gpu, {
    ...options,
    ...{ batch, microBatches, loss: softmaxCrossEntropy(), seed: 3 },
  });
  try {
    for (let step = 0; step < 2 * microBatches; step++) {
      const labels = Array.from({ length: batch }, (_, image) => (image + step) % 3);
      await network.step(randomTensor([batch, ...input], step), labels);
    }
    const labels = (await network.profile(randomTensor([batch, ...input], 9), [0, 1, 2, 0])).map(({ label }) => label);
    return { labels, values: { ...(await network.parameters()), ...(await network.optimizerState()) } };
  } finally {
    network.dispose();
  }
}

test.for<{ name: string } & Training>([
  { name: 'sgd', precision: 'float32', optimizer: sgd({ learningRate: 0.05 }) },
  { name: 'adam, two micro-batches', precision: 'float32', optimizer: adam(), microBatches: 2 },
  { name: 'sgd', precision: 'mixed', optimizer: sgd({ learningRate: 0.05 }) },
])(
  'a dense layer updates its weights as it makes their gradient, with the same result: $name, $precision',
  async (training, { skip }) => {
    const options = { subgroups: false };
    const [apart, together] = [await testGpu(options), await testGpu(options, 'hardware')];
    if (training.precision === 'mixed' && !apart.features.has('shader-f16')) return skip('no f16');
    const [want, got] = [await trained(apart, training), await trained(together, training)];
    const own = (labels: readonly string[]) =>
      labels.filter((label) => /^(sgd|adam)\/fc1.weight|^fc1.weight\/acc/.test(label));
    // Of several micro-batches, the gradients of one are added to those of the others instead.
    expect([own(want.labels).length, own(got.labels).length]).toEqual([1, 0]);
    expect(Object.keys(got.values)).toEqual(Object.keys(want.values));
    for (const [path, { data }] of Object.entries(got.values)) {
      // Adam divides by what may be next to nothing.
      const tolerance = training.precision === 'mixed' ? 2e-2 : 1e-3;
      expect(relativeError(data, want.values[path]!.data), path).toBeLessThan(tolerance);
    }
  },
);
