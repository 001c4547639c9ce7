import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import type { Gpu } from '@alex/tensor';
import { type Precision, planNetwork } from '@alex/tensor/network';
import { testGpu } from '@alex/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { alexnet, type Variant } from './index.js';

let gpu: Gpu;

beforeAll(async () => {
  gpu = await testGpu();
});

const planOf = (variant: Variant, batch: number, precision: Precision = 'float32') =>
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

describe('memory', () => {
  test.each(variants)('%s needs at most 1.15 times the bytes that must be alive at once', (variant) => {
    const before = gpu.liveBuffers;
    for (const batch of [8, 64, 128]) {
      const { activationBytes, leastActivationBytes } = planOf(variant, batch);
      expect(activationBytes).toBeGreaterThanOrEqual(leastActivationBytes);
      expect(activationBytes / leastActivationBytes).toBeLessThanOrEqual(1.15);
    }
    expect(gpu.liveBuffers).toBe(before);
  });

  test("a batch of 128 of the paper's network fits in 4 GB with momentum", () => {
    const { parameterBytes, stateBytes, totalBytes } = planOf('paper', 128);
    expect(parameterBytes).toBe(4 * alexnet({ variant: 'paper' }).parameterCount);
    expect(stateBytes).toBe(parameterBytes);
    expect(totalBytes).toBeLessThan(4 * 2 ** 30);
  });

  test("mixed precision needs less memory for the paper's network at any batch size (needs shader-f16)", ({ skip }) => {
    skip(!gpu.features.has('shader-f16'), 'this adapter has no shader-f16');
    for (const [batch, share] of [
      [8, 0.9],
      [64, 0.65],
      [128, 0.7],
    ] as const) {
      const [exact, mixed] = [planOf('paper', batch), planOf('paper', batch, 'mixed')];
      expect(mixed.activationBytes / exact.activationBytes).toBeLessThan(share);
      expect(mixed.activationBytes / mixed.leastActivationBytes).toBeLessThanOrEqual(1.15);
      expect(mixed.parameterBytes).toBe(exact.parameterBytes);
    }
  });
});
