import { relu } from '@alex/activations';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { adam, sgd } from '@alex/optim';
import { describeNetwork, type Gpu, type Optimizer } from '@alex/tensor';
import { compileNetwork } from '@alex/tensor/network';
import { randomTensor, recordedKernels, relativeError, testGpu } from '@alex/tensor/testing';
import { expect, test } from 'vitest';

/** Its largest layer has more weights than are updated together with others. In mixed precision, its input is stored as f16. */
const input = [1, 32, 33] as const;
const layers = [
  relu({ name: 'relu0' }),
  dense({ name: 'fc1', units: 1000 }),
  relu({ name: 'relu1' }),
  dense({ name: 'fc2', units: 3 }),
];

const description = describeNetwork({ name: 'wide', input, layers });

/** Updates of the largest weights by separate kernels. */
const own = (labels: readonly string[]) =>
  labels.filter((label) => /^(sgd|adam)\/fc1.weight|^fc1.weight\/accumulate/.test(label));

interface Training {
  readonly optimizer: Optimizer;
  readonly microBatches?: number;
}

async function trained(gpu: Gpu, { microBatches = 1, optimizer }: Training) {
  const batch = 4;
  const options = { batch, microBatches, optimizer, loss: softmaxCrossEntropy(), seed: 3 };
  const network = await compileNetwork(description, gpu, options);
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
  { name: 'sgd', optimizer: sgd({ learningRate: 0.05 }) },
  { name: 'adam, two micro-batches', optimizer: adam(), microBatches: 2 },
])(
  'a dense layer updates its weights while it computes their gradient, with the same result: $name',
  async (training) => {
    const options = { subgroups: false };
    const [want, got] = [
      await trained(await testGpu(options, 'software'), training),
      await trained(await testGpu(options, 'hardware'), training),
    ];
    // With several micro-batches, the gradients are accumulated instead.
    expect([own(want.labels).length, own(got.labels).length]).toEqual([1, 0]);
    expect(Object.keys(got.values)).toEqual(Object.keys(want.values));
    for (const [path, { data }] of Object.entries(got.values)) {
      // Adam may divide by a tiny number.
      expect(relativeError(data, want.values[path]!.data), path).toBeLessThan(1e-3);
    }
  },
);

test('in mixed precision it does so after all gradients are known to be finite', () => {
  const adapter = { kind: 'hardware', subgroupSize: 32, features: ['shader-f16'] } as const;
  const options = { batch: 4, precision: 'mixed', loss: softmaxCrossEntropy(), optimizer: sgd() } as const;
  const kernels = recordedKernels(description, adapter, options).filter(({ program }) => program === 'train');
  const labels = kernels.map(({ label }) => label);
  expect(own(labels)).toEqual([]);
  expect(labels.indexOf('fc1/weightGradient')).toBeGreaterThan(labels.indexOf('lossScale/next'));
  expect(kernels.find(({ label }) => label === 'fc1/weightGradient')!.wgsl).toMatch(/if \(factor != 0\.0\)/);
});
