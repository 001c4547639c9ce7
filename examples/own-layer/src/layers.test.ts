import { describeLayer, gradientCheck, runLayer, testGpu } from '@alex/tensor/testing';
import { describe, expect, it } from 'vitest';
import { batchNorm } from './batch-norm.js';
import { leakyRelu } from './leaky-relu.js';

describeLayer(
  leakyRelu,
  [
    { options: {}, input: [3, 5] },
    { options: { slope: 0.25 }, input: [2, 4, 3, 5], columns: { count: 2, from: 'own' } },
  ],
  {
    describe,
    it,
    reference: ({ options: { slope = 0.01 }, input, outputGradient }) => ({
      output: Float64Array.from(input.data, (x) => (x > 0 ? x : slope * x)),
      inputGradient: Float64Array.from(outputGradient.data, (g, i) => (input.data[i]! > 0 ? g : slope * g)),
    }),
  },
);

/** The values of each channel of `[N, C, ...]`, in float64. */
function channelsOf({ shape, data }: { readonly shape: readonly number[]; readonly data: ArrayLike<number> }) {
  const [images = 0, channels = 0, ...map] = shape;
  const area = map.reduce((product, size) => product * size, 1);
  return Array.from({ length: channels }, (_, channel) =>
    Array.from({ length: images * area }, (_, i) => {
      const at = (Math.floor(i / area) * channels + channel) * area + (i % area);
      return { at, value: data[at]! };
    }),
  );
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describeLayer(
  batchNorm,
  [
    { options: {}, input: [5, 3] },
    { options: {}, input: [3, 4, 3, 2], columns: { count: 2, from: 'own' } },
  ],
  {
    describe,
    it,
    mixesImages: true,
    smallestBatch: 2,
    reference: ({ input, parameters, outputGradient }) => {
      const output = new Float64Array(input.data.length);
      const inputGradient = new Float64Array(input.data.length);
      const weightGradient: number[] = [];
      const biasGradient: number[] = [];
      for (const [channel, values] of channelsOf(input).entries()) {
        const center = mean(values.map(({ value }) => value));
        const deviation = Math.sqrt(mean(values.map(({ value }) => (value - center) ** 2)) + 1e-5);
        const normalized = values.map(({ value }) => (value - center) / deviation);
        const gradients = values.map(({ at }) => outputGradient.data[at]!);
        const [weight, bias] = [parameters['weight']!.data[channel]!, parameters['bias']!.data[channel]!];
        const slope = mean(gradients.map((g, i) => g * normalized[i]!));
        for (const [i, { at }] of values.entries()) {
          output[at] = normalized[i]! * weight + bias;
          inputGradient[at] = (weight / deviation) * (gradients[i]! - mean(gradients) - normalized[i]! * slope);
        }
        weightGradient.push(slope * values.length);
        biasGradient.push(mean(gradients) * values.length);
      }
      return { output, inputGradient, parameterGradients: { weight: weightGradient, bias: biasGradient } };
    },
  },
);

describe('batchNorm', () => {
  const input = { shape: [3, 2], data: Float32Array.of(1, 10, 2, 20, 6, 60) };
  const state = {
    mean: { shape: [2], data: Float32Array.of(0.5, -1) },
    variance: { shape: [2], data: Float32Array.of(2, 4) },
  };

  it('moves its running statistics towards those of the batch, with the sample variance', async () => {
    const after = await runLayer(await testGpu(), batchNorm({ momentum: 0.1 }), { input, state, training: true });
    // Means 3 and 30; variances over n - 1: 7 and 700.
    expect([...after.state!['mean']!.data]).toEqual([expect.closeTo(0.75, 5), expect.closeTo(2.1, 5)]);
    expect([...after.state!['variance']!.data]).toEqual([expect.closeTo(2.5, 5), expect.closeTo(73.6, 4)]);
  });

  it('evaluates with its running statistics, whatever else is in the batch', async () => {
    const { output, state: after } = await runLayer(await testGpu(), batchNorm({ epsilon: 1 }), { input, state });
    expect(output.data[0]).toBeCloseTo(0.5 / Math.sqrt(3), 6);
    expect(output.data[3]).toBeCloseTo(21 / Math.sqrt(5), 5);
    expect(after).toBeUndefined();
  });

  it('refuses a batch of one value per channel, and shapes without channels', async () => {
    const one = { shape: [1, 2], data: Float32Array.of(1, 2) };
    await expect(runLayer(await testGpu(), batchNorm(), { input: one, training: true })).rejects.toThrow(
      'batchNorm: cannot normalize a single value per channel; use a larger batch',
    );
    expect(() => batchNorm().outputShape([2, 3, 4])).toThrow('takes [N, C, H, W] or [N, F], got [2, 3, 4]');
  });

  it('fails the suite if its gradient lacks a term', async () => {
    const right = batchNorm();
    const wrong: typeof right = {
      ...right,
      backward: (recorder, values) => ({ ...right.backward(recorder, values), inputGradient: values.outputGradient }),
    };
    await expect(gradientCheck(await testGpu(), wrong, [{ input: [4, 2, 3, 1] }])).rejects.toThrow(
      /batchNorm: the gradient of input is off by .*; worst at \[\d, \d, \d, 0\] backward returns/,
    );
  });
});
