import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import type { Gpu, GpuOptions } from '@alex/tensor';
import { type Precision, planNetwork } from '@alex/tensor/network';
import { testGpu } from '@alex/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { alexnet, type Variant } from './index.js';

const planOf = (gpu: Gpu, variant: Variant, batch: number, precision: Precision = 'float32') =>
  planNetwork(alexnet({ variant }), gpu, { batch, loss: softmaxCrossEntropy(), optimizer: sgd(), precision });

const variants: Variant[] = [
  'paper',
  'release-2012',
  'no-lrn',
  'one-column',
  'torchvision',
  'caffe',
  'cifar-18pct',
  'small',
];

/**
 * The allowed ratio of a plan to the memory that must be alive at once. On GPUs, kernels do more at once, so more tensors
 * must be in different buffers, and the planner cannot get closer.
 */
const most = { software: 1.15, hardware: 1.19 };

/** No GPU has subgroups as small as those of software drivers, so here it uses none. */
const adapters: readonly { readonly name: string; readonly options: GpuOptions; readonly kind?: 'hardware' }[] = [
  { name: 'as it is', options: {} },
  { name: 'as if it were a GPU without subgroups', options: { subgroups: false }, kind: 'hardware' },
];

describe.each(adapters)('memory on the adapter $name', ({ options, kind }) => {
  let gpu: Gpu;

  beforeAll(async () => {
    gpu = await testGpu(options, kind);
  });

  test.each(variants)('%s takes at most 1.15 times what must be alive at once, or 1.19 on GPUs', (variant) => {
    const before = gpu.liveBuffers;
    for (const batch of [8, 64, 128]) {
      const { activationBytes, leastActivationBytes } = planOf(gpu, variant, batch);
      expect(activationBytes).toBeGreaterThanOrEqual(leastActivationBytes);
      expect(activationBytes / leastActivationBytes).toBeLessThanOrEqual(most[gpu.description.kind]);
    }
    expect(gpu.liveBuffers).toBe(before);
  });

  test("a batch of 128 of the paper's network fits in 4 GB with momentum", () => {
    const { parameterBytes, stateBytes, totalBytes } = planOf(gpu, 'paper', 128);
    expect(parameterBytes).toBe(4 * alexnet({ variant: 'paper' }).parameterCount);
    expect(stateBytes).toBe(parameterBytes);
    expect(totalBytes).toBeLessThan(4 * 2 ** 30);
  });
});

test("mixed precision takes less memory for the paper's network at any batch (needs shader-f16)", async ({ skip }) => {
  const gpu = await testGpu();
  skip(!gpu.features.has('shader-f16'), 'this adapter has no shader-f16');
  for (const [batch, share] of [
    [8, 0.9],
    [64, 0.65],
    [128, 0.7],
  ] as const) {
    const [exact, mixed] = [planOf(gpu, 'paper', batch), planOf(gpu, 'paper', batch, 'mixed')];
    expect(mixed.activationBytes / exact.activationBytes).toBeLessThan(share);
    expect(mixed.activationBytes / mixed.leastActivationBytes).toBeLessThanOrEqual(1.15);
    expect(mixed.parameterBytes).toBe(exact.parameterBytes);
  }
});
