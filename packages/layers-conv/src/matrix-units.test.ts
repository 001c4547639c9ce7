import { type Gpu, openGpu } from '@alex/tensor';
import { randomTensor, relativeError, runLayer, trustRisky } from '@alex/tensor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conv2d } from './conv2d.js';
import { expected, type Window } from './testing.js';

/**
 * No value needs more than the 11 bits of an f16, so products of halves are exact and only stored results are rounded.
 */
const asHalf = 2 ** -10;

describe('a convolution in mixed precision, on matrix units if the adapter has them', () => {
  let gpu: Gpu;
  beforeAll(async () => {
    const adapter = process.env['ALEX_ADAPTER'];
    gpu = await openGpu(adapter ? { adapter } : {});
    // A CPU is faster without them.
    Object.defineProperty(gpu, 'description', { value: { ...gpu.description, kind: 'hardware' } });
    trustRisky(gpu);
  });
  afterAll(() => {
    const left = gpu.liveBuffers;
    gpu.dispose();
    expect(left).toBe(0);
  });

  const usual = {
    batch: 8,
    kernel: [3, 3],
    stride: [1, 1],
    padding: { top: 1, left: 1, bottom: 1, right: 1 },
  } as const;
  it.for<Window>([
    { ...usual, channels: 3, height: 7, width: 6, filters: 20, groups: 1, kernel: [5, 4], stride: [2, 1] },
    { ...usual, channels: 64, height: 3, width: 3, filters: 34, groups: 2 },
    { ...usual, batch: 5, channels: 4, height: 4, width: 5, filters: 6, groups: 1 },
  ])('of $channels channels to $filters filters, $batch images', async (window, { skip }) => {
    if (!gpu.features.has('shader-f16')) return skip('no f16');
    const { batch, channels, height, width, filters, kernel, stride, padding, groups } = window;
    const layer = conv2d({ filters, kernel, stride, padding, groups });
    const inputShape = [batch, channels, height, width];
    const values = {
      input: halves(randomTensor(inputShape, 1)),
      weight: halves(randomTensor([filters, channels / groups, ...kernel], 2)),
      bias: halves(randomTensor([filters], 3)),
      outputGradient: halves(randomTensor(layer.outputShape(inputShape), 4)),
    };
    const { weight, bias, ...others } = values;
    const got = await runLayer(gpu, layer, { ...others, parameters: { weight, bias }, precision: 'mixed' });
    const want = expected(window, true, {
      input: values.input.data,
      weight: weight.data,
      bias: bias.data,
      outputGradient: values.outputGradient.data,
    });
    expect(relativeError(got.output.data, want.output)).toBeLessThan(asHalf);
    expect(relativeError(got.inputGradient!.data, want.inputGradient)).toBeLessThan(asHalf);
    expect(relativeError(got.parameterGradients!['weight']!.data, want.weight)).toBeLessThan(1e-5);
    expect(relativeError(got.parameterGradients!['bias']!.data, want.bias)).toBeLessThan(1e-5);
  });
});

/** Values that an f16 can represent. */
function halves<T extends { readonly data: Float32Array }>(tensor: T): T {
  return { ...tensor, data: tensor.data.map((value) => Math.round(value * 256) / 256) };
}
