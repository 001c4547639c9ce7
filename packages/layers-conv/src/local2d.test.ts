import { ConfigError, type Gpu, ShapeError } from '@alex/tensor';
import { describeLayer, runLayer } from '@alex/tensor/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { local2d } from './local2d.js';
import { describeOnEveryVariant, expectAgreement, referenceOf, type Window, windows } from './testing.js';

function expectLocal(gpu: Gpu, window: Window, bias = true) {
  const { filters, kernel, stride, padding } = window;
  const layer = local2d({ filters, kernel, stride, padding, bias });
  return expectAgreement(gpu, layer, window, { shared: false, output: 1e-5, gradients: 1e-4 });
}

describeLayer(
  local2d,
  [
    { options: { filters: 3, kernel: [2, 3], stride: [2, 1], padding: 1 }, input: [3, 2, 4, 3] },
    { options: { filters: 5, kernel: 2, bias: false }, input: [2, 3, 3, 4] },
  ],
  { describe, it, reference: referenceOf(false) },
);

describeOnEveryVariant('local2d', (gpu, randomShapes) => {
  it('agrees with float64 loops on random ragged shapes', async () => {
    const ungrouped = windows.map((window) => ({ ...window, groups: 1 }));
    await fc.assert(
      fc.asyncProperty(ungrouped, fc.boolean(), (window, bias) => expectLocal(gpu(), window, bias)),
      { numRuns: randomShapes, seed: 13 },
    );
  });

  it("agrees on the shape of local3 of cuda-convnet's 13% net", async () => {
    const padding = { top: 1, left: 1, bottom: 1, right: 1 };
    await expectLocal(gpu(), {
      batch: 4,
      channels: 64,
      height: 6,
      width: 6,
      filters: 32,
      kernel: [3, 3],
      stride: [1, 1],
      padding,
      groups: 1,
    });
  });

  it('gives every position its own filter and its own bias', async () => {
    const { output } = await runLayer(gpu(), local2d({ filters: 1, kernel: 1 }), {
      input: { shape: [1, 1, 2, 2], data: new Float32Array([1, 2, 3, 4]) },
      parameters: {
        weight: { shape: [4, 1, 1, 1, 1], data: new Float32Array([1, 10, 100, 1000]) },
        bias: { shape: [1, 2, 2], data: new Float32Array([0.5, 0, 0, -1]) },
      },
    });
    expect([...output.data]).toEqual([1.5, 20, 300, 3999]);
  });
});

describe('the description of a local2d', () => {
  it('names shapes, parameters and multiply-adds', () => {
    const layer = local2d({ name: 'local3', filters: 32, kernel: 3, padding: 1, initial: { weightDeviation: 0.04 } });
    const input = [128, 64, 6, 6];
    expect(layer.outputShape(input)).toEqual([128, 32, 6, 6]);
    expect(layer.multiplyAdds(input)).toBe(36 * 32 * 64 * 9);
    expect(layer.parameters(input).map(({ name, shape, decays }) => ({ name, shape, decays }))).toEqual([
      { name: 'weight', shape: [36, 32, 64, 3, 3], decays: true },
      { name: 'bias', shape: [32, 6, 6], decays: false },
    ]);
    expect(layer.column({ index: 0, count: 2 }).outputShape(input)).toEqual([128, 16, 6, 6]);
  });

  it('refuses options and inputs that do not fit', () => {
    expect(() => local2d({ name: 'local3', filters: 1.5, kernel: 3 })).toThrow(ConfigError);
    expect(() => local2d({ name: 'local3', filters: 2, kernel: 3 }).outputShape([1, 1, 2, 2])).toThrow(ShapeError);
  });
});

it('says what an output position sees', () => {
  expect(local2d({ filters: 4, kernel: [5, 3], stride: 2, padding: 1 }).window).toEqual({
    size: [5, 3],
    stride: [2, 2],
  });
});

it('says with which options it was made, the defaults filled in', () => {
  expect(local2d({ name: 'local3', filters: 6, kernel: [3, 2], bias: false }).options).toEqual({
    filters: 6,
    kernel: [3, 2],
    stride: [1, 1],
    padding: { top: 0, left: 0, bottom: 0, right: 0 },
    bias: false,
  });
});
