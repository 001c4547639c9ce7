import { ConfigError, type Gpu, type HostTensor, type Layer, ShapeError } from '@alex/tensor';
import { describeLayer, randomTensor, relativeError, runLayer, testGpu } from '@alex/tensor/testing';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { conv2d } from './conv2d.js';
import { describeOnEveryVariant, expectAgreement, referenceOf, runBoth, type Window, windows } from './testing.js';

/** The options of a layer with the sizes of a reference. */
function layerOf(window: Window, bias = true) {
  const { filters, kernel, stride, padding, groups } = window;
  return conv2d({ filters, kernel, stride, padding, groups, bias });
}

const expectConvolution = (gpu: Gpu, window: Window, bias = true) =>
  expectAgreement(gpu, layerOf(window, bias), window, { shared: true, output: 1e-5, gradients: 1e-4 });

const square = (size: number): [number, number] => [size, size];
const around = (pad: number) => ({ top: pad, left: pad, bottom: pad, right: pad });

describeLayer(
  conv2d,
  [
    {
      options: { filters: 3, kernel: [2, 3], stride: [2, 1], padding: { top: 1, left: 0, bottom: 0, right: 2 } },
      input: [2, 2, 3, 4],
    },
    {
      options: { filters: 6, kernel: 3, padding: 1, groups: 2 },
      input: [3, 4, 5, 3],
      columns: { count: 2, from: 'own' },
    },
    { options: { filters: 4, kernel: 2, bias: false }, input: [4, 3, 4, 3], columns: { count: 2, from: 'all' } },
  ],
  { describe, it, reference: referenceOf(true) },
);

describeOnEveryVariant('conv2d', (gpu, randomShapes) => {
  it('agrees with float64 loops on random ragged shapes', async () => {
    await fc.assert(
      fc.asyncProperty(windows, fc.boolean(), (window, bias) => expectConvolution(gpu(), window, bias)),
      { numRuns: randomShapes, seed: 2012 },
    );
  });

  it('agrees if filters and channels leave a partial tile, in loads of four', async () => {
    await expectConvolution(gpu(), {
      batch: 8,
      channels: 44,
      height: 7,
      width: 9,
      filters: 52,
      kernel: [3, 2],
      stride: [2, 1],
      padding: { top: 1, left: 0, bottom: 2, right: 1 },
      groups: 1,
    });
  });

  it('agrees if channels fill no round of a GPU, for more positions than a workgroup keeps, with split-K', async () => {
    await expectConvolution(gpu(), {
      batch: 6,
      channels: 37,
      height: 9,
      width: 8,
      filters: 10,
      kernel: [4, 4],
      stride: [1, 1],
      padding: { top: 2, left: 1, bottom: 1, right: 2 },
      groups: 1,
    });
  });

  it.each([
    ['four images at a time', { batch: 8, channels: 5, filters: 12, kernel: square(2), groups: 1 }],
    ['one image at a time', { batch: 3, channels: 6, filters: 7, kernel: square(2), groups: 1 }],
    ["by Winograd's algorithm", { batch: 4, channels: 96, filters: 100, kernel: square(3), groups: 1 }],
  ])('applies the epilogue of the layer above to its output: %s', async (_, sizes) => {
    const window = { height: 6, width: 5, stride: square(1), padding: around(1), ...sizes };
    const layer = layerOf(window);
    const halved = { name: 'half', wgsl: (x: string) => `${x} * 0.5` };
    const fused: Layer = { ...layer, forward: (r, values) => layer.forward(r, { ...values, epilogue: halved }) };
    const { got, want } = await runBoth(gpu(), fused, window, true);
    expect(
      relativeError(
        got.output.data,
        want.output.map((value) => value / 2),
      ),
    ).toBeLessThan(1e-5);
  });

  it.each([
    ['four images at a time', { batch: 8, channels: 5, filters: 12, kernel: square(2), stride: square(1), groups: 1 }],
    ['with strides and groups', { batch: 4, channels: 6, filters: 8, kernel: square(3), stride: square(2), groups: 2 }],
    ['one image at a time', { batch: 3, channels: 6, filters: 7, kernel: square(2), stride: square(1), groups: 1 }],
    [
      "by Winograd's algorithm",
      { batch: 4, channels: 96, filters: 100, kernel: square(3), stride: square(1), groups: 1 },
    ],
    [
      'by it, one image at a time',
      { batch: 1, channels: 96, filters: 96, kernel: square(3), stride: square(1), groups: 1 },
    ],
  ])('applies the epilogue of the layer below to its input gradient: %s', async (_, sizes) => {
    const window: Window = { height: 6, width: 5, padding: around(1), ...sizes };
    const layer = layerOf(window);
    const gradientEpilogue = { name: 'half', wgsl: (g: string, y: string) => `0.5 * ${g} + 3.0 * ${y}` };
    for (const precision of gpu().features.has('shader-f16') ? (['float32', 'mixed'] as const) : ['float32' as const]) {
      const values = drawn(layer, [window.batch, window.channels, window.height, window.width]);
      const { inputGradient } = await runLayer(gpu(), layer, { ...values, precision });
      const got = await runLayer(gpu(), layer, { ...values, precision, gradientEpilogue });
      const want = inputGradient!.data.map((gradient, i) => 0.5 * gradient + 3 * values.input.data[i]!);
      expect(relativeError(got.inputGradient!.data, want)).toBeLessThan(precision === 'mixed' ? 2e-3 : 1e-6);
    }
  });

  it('gives the sums of a 3 x 3 image that can be computed by hand', async () => {
    const layer = conv2d({ filters: 1, kernel: 2, bias: true });
    const result = await runLayer(gpu(), layer, {
      input: tensor([1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
      parameters: { weight: tensor([1, 1, 2, 2], [1, 10, 100, 1000]), bias: tensor([1], [0.5]) },
      outputGradient: tensor([1, 1, 2, 2], [1, 0, 0, 2]),
    });
    expect([...result.output.data]).toEqual([5421.5, 6532.5, 8754.5, 9865.5]);
    expect([...result.inputGradient!.data]).toEqual([1, 10, 0, 100, 1002, 20, 0, 200, 2000]);
    expect([...result.parameterGradients!['weight']!.data]).toEqual([11, 14, 20, 23]);
    expect([...result.parameterGradients!['bias']!.data]).toEqual([3]);
  });

  it('ignores values beyond the border, even if the image contains infinities', async () => {
    const layer = conv2d({ filters: 1, kernel: 3, padding: 1, bias: false });
    const input = tensor([1, 1, 2, 6], [Infinity, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    const { output } = await runLayer(gpu(), layer, {
      input,
      parameters: {
        weight: tensor(
          [1, 1, 3, 3],
          Array.from({ length: 9 }, () => 1),
        ),
      },
    });
    expect([...output.data.slice(2, 6)]).toEqual([6, 6, 6, 4]);
  });
});

function drawn(layer: Layer, shape: number[]) {
  const [weight, bias] = layer.parameters(shape);
  return {
    input: randomTensor(shape, 1),
    parameters: { weight: randomTensor(weight!.shape, 2), bias: randomTensor(bias!.shape, 3) },
    outputGradient: randomTensor(layer.outputShape(shape), 4),
  };
}

function tensor(shape: number[], values: number[]): HostTensor {
  return { shape, data: new Float32Array(values) };
}

describe('conv2d of the paper', () => {
  afterAll(async () => {
    expect((await testGpu()).liveBuffers).toBe(0);
  });

  it.each([
    [
      'conv1',
      {
        channels: 3,
        height: 227,
        width: 227,
        filters: 96,
        kernel: square(11),
        stride: square(4),
        padding: around(0),
        groups: 1,
      },
    ],
    [
      'conv2',
      {
        channels: 96,
        height: 27,
        width: 27,
        filters: 256,
        kernel: square(5),
        stride: square(1),
        padding: around(2),
        groups: 2,
      },
    ],
    [
      'conv3',
      {
        channels: 256,
        height: 13,
        width: 13,
        filters: 384,
        kernel: square(3),
        stride: square(1),
        padding: around(1),
        groups: 1,
      },
    ],
    [
      'conv4',
      {
        channels: 384,
        height: 13,
        width: 13,
        filters: 384,
        kernel: square(3),
        stride: square(1),
        padding: around(1),
        groups: 2,
      },
    ],
    [
      'conv5',
      {
        channels: 384,
        height: 13,
        width: 13,
        filters: 256,
        kernel: square(3),
        stride: square(1),
        padding: around(1),
        groups: 2,
      },
    ],
  ])("agrees on the shape of AlexNet's %s", async (_, sizes) => {
    await expectConvolution(await testGpu(), { batch: 1, ...sizes });
  });
});

describe('the description of a conv2d', () => {
  it('names shapes, parameters and multiply-adds of conv2 of the paper', () => {
    const layer = conv2d({ name: 'conv2', filters: 256, kernel: 5, padding: 2, groups: 2, initial: { bias: 1 } });
    const input = [128, 96, 27, 27];
    expect(layer.outputShape(input)).toEqual([128, 256, 27, 27]);
    expect(layer.multiplyAdds(input)).toBe(223_948_800);
    expect(layer.parameters(input)).toEqual([
      {
        name: 'weight',
        shape: [256, 48, 5, 5],
        initial: { distribution: 'normal', standardDeviation: 0.01 },
        decays: true,
      },
      { name: 'bias', shape: [256], initial: { distribution: 'constant', value: 1 }, decays: false },
    ]);
    expect(conv2d({ filters: 1, kernel: 1, bias: false }).parameters([1, 1, 1, 1])).toHaveLength(1);
  });

  it('gives a column its share of filters and groups', () => {
    const column = { index: 1, count: 2 };
    const grouped = conv2d({ filters: 256, kernel: 5, groups: 2 }).column(column);
    expect(grouped.parameters([1, 48, 27, 27])[0]!.shape).toEqual([128, 48, 5, 5]);
    const whole = conv2d({ filters: 384, kernel: 3 }).column(column);
    expect(whole.parameters([1, 256, 13, 13])[0]!.shape).toEqual([192, 256, 3, 3]);
    expect(() => conv2d({ filters: 9, kernel: 3 }).column(column)).toThrow(ConfigError);
    expect(() => conv2d({ filters: 6, kernel: 3, groups: 3 }).column(column)).toThrow(/3 groups/);
  });

  it.each([
    [{ filters: 0, kernel: 3 }, /filters must be a whole number of at least 1, got 0/],
    [{ filters: Number.NaN, kernel: 3 }, /filters/],
    [{ filters: 4, kernel: 0 }, /kernel/],
    [{ filters: 4, kernel: 3, stride: 0 }, /stride/],
    [{ filters: 4, kernel: 3, padding: -1 }, /padding/],
    [{ filters: 4, kernel: 3, groups: 3 }, /multiple of groups/],
    [{ filters: 4, kernel: 3, groups: 0.5 }, /groups/],
    [{ filters: 4, kernel: 3, initial: { weightDeviation: -1 } }, /weightDeviation/],
    [{ filters: 4, kernel: 3, initial: { bias: Number.NaN } }, /initial\.bias/],
  ])('refuses %j', (options, message) => {
    expect(() => conv2d({ name: 'conv7', ...options })).toThrow(ConfigError);
    expect(() => conv2d({ name: 'conv7', ...options })).toThrow(message);
    expect(() => conv2d({ name: 'conv7', ...options })).toThrow(/^conv7: /);
  });

  it('refuses inputs that do not fit', () => {
    const layer = conv2d({ name: 'conv7', filters: 4, kernel: 5, padding: 1, groups: 2 });
    expect(() => layer.outputShape([1, 3, 9, 9])).toThrow(ShapeError);
    expect(() => layer.outputShape([1, 3, 9, 9])).toThrow(/conv7: 2 groups need a multiple of 2 channels, got 3/);
    expect(() => layer.outputShape([1, 4, 2, 9])).toThrow(/does not fit .* padded to 4 x 11/);
    expect(() => layer.outputShape([1, 4])).toThrow(/conv7/);
  });
});

it('says what an output position sees', () => {
  expect(conv2d({ filters: 4, kernel: [5, 3], stride: 2, padding: 1 }).window).toEqual({
    size: [5, 3],
    stride: [2, 2],
  });
});

it('says with which options it was made, the defaults filled in', () => {
  const layer = conv2d({ name: 'conv2', filters: 6, kernel: 5, stride: [2, 1], padding: 2, groups: 2 });
  expect(layer.options).toEqual({
    filters: 6,
    kernel: [5, 5],
    stride: [2, 1],
    padding: { top: 2, left: 2, bottom: 2, right: 2 },
    groups: 2,
    bias: true,
  });
  expect(conv2d(layer.options as never).options).toEqual(layer.options);
  expect(layer.column({ index: 1, count: 2 }).options).toMatchObject({ filters: 3, groups: 1 });
});
