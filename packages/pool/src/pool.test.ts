import { ConfigError, type HostTensor, type Layer, ShapeError } from '@alex/tensor';
import type { Padding, Pair } from '@alex/tensor/kernels';
import { describeLayer, randomTensor, relativeError, runLayer, separatedTensor, testGpu } from '@alex/tensor/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runExamples } from '../../../example.base.js';
import { expectNoLeaks } from '../../../leaks.base.js';
import { type AveragePoolOptions, averagePool, type MaxPoolOptions, maxPool } from './index.js';

interface Windows {
  readonly shape: [number, number, number, number];
  readonly size: [number, number];
  readonly stride: [number, number];
  readonly padding: Padding;
  readonly rounding: 'floor' | 'ceil';
}

interface Window {
  /** Positions in the input of the window's elements inside the image, row by row. */
  readonly elements: number[];
  /** How many of its elements are inside the image or its padding. */
  readonly padded: number;
}

/** The starts of windows along one axis, from the definition: moved step by step until they leave the image. */
function starts(
  input: number,
  size: number,
  stride: number,
  before: number,
  after: number,
  rounding: string,
): number[] {
  const found: number[] = [];
  for (let start = -before; ; start += stride) {
    const fits = start + size <= input + after;
    // An overhanging window is the last one, starts inside, and contains an element that no earlier window contains.
    const overhangs = rounding === 'ceil' && start < input && start + size - stride < input + after;
    if (!fits && !overhangs) return found;
    found.push(start);
  }
}

/** The windows of each output element, in the output's order. */
function windowsOf({ shape, size, stride, padding, rounding }: Windows) {
  const [N, C, H, W] = shape;
  const tops = starts(H, size[0], stride[0], padding.top, padding.bottom, rounding);
  const lefts = starts(W, size[1], stride[1], padding.left, padding.right, rounding);
  const windows: Window[] = [];
  for (let map = 0; map < N * C; map++) {
    for (const top of tops) {
      for (const left of lefts) {
        const elements: number[] = [];
        let padded = 0;
        for (let y = top; y < top + size[0]; y++) {
          for (let x = left; x < left + size[1]; x++) {
            if (y >= 0 && y < H && x >= 0 && x < W) elements.push((map * H + y) * W + x);
            if (y < H + padding.bottom && x < W + padding.right) padded++;
          }
        }
        windows.push({ elements, padded });
      }
    }
  }
  return { windows, outputShape: [N, C, tops.length, lefts.length] };
}

/** The inputs of each output, with weights: both kinds of pooling are linear while the maximum stays the same. */
type Parts = (window: Window, input: ArrayLike<number>) => { element: number; weight: number }[];

const maximum =
  (ties: 'first' | 'all'): Parts =>
  ({ elements }, input) => {
    const best = Math.max(...elements.map((element) => input[element]!));
    const winners = elements.filter((element) => input[element] === best);
    return (ties === 'first' ? winners.slice(0, 1) : winners).map((element) => ({ element, weight: 1 }));
  };

const average =
  (countPadding: boolean): Parts =>
  ({ elements, padded }) =>
    elements.map((element) => ({ element, weight: 1 / (countPadding ? padded : elements.length) }));

function reference(drawn: Windows, parts: Parts, kind: 'max' | 'average', input: ArrayLike<number>) {
  const { windows, outputShape } = windowsOf(drawn);
  const made = windows.map((window) => parts(window, input));
  const output = Float64Array.from(made, (from) =>
    kind === 'max'
      ? input[from[0]!.element]!
      : from.reduce((sum, { element, weight }) => sum + weight * input[element]!, 0),
  );
  const inputGradient = (outputGradient: ArrayLike<number>) => {
    const gradient = new Float64Array(input.length);
    made.forEach((from, o) => {
      for (const { element, weight } of from) gradient[element]! += weight * outputGradient[o]!;
    });
    return gradient;
  };
  return { output, outputShape, inputGradient };
}

const axis = fc
  .record({
    size: fc.integer({ min: 1, max: 5 }),
    stride: fc.integer({ min: 1, max: 6 }),
    before: fc.nat(4),
    after: fc.nat(4),
    more: fc.nat(9),
  })
  .map(({ size, stride, before, after, more }) => {
    const pads = { before: Math.min(before, size - 1), after: Math.min(after, size - 1) };
    return { size, stride, ...pads, input: Math.max(1, size - pads.before - pads.after) + more };
  });

const drawnWindows: fc.Arbitrary<Windows> = fc
  .record({
    images: fc.constantFrom(1, 2, 3, 4, 5, 8),
    channels: fc.integer({ min: 1, max: 7 }),
    vertical: axis,
    horizontal: axis,
    rounding: fc.constantFrom('floor' as const, 'ceil' as const),
  })
  .map(({ images, channels, vertical, horizontal, rounding }) => ({
    shape: [images, channels, vertical.input, horizontal.input],
    size: [vertical.size, horizontal.size],
    stride: [vertical.stride, horizontal.stride],
    padding: { top: vertical.before, bottom: vertical.after, left: horizontal.before, right: horizontal.after },
    rounding,
  }));

const kinds: [string, 'max' | 'average', (options: MaxPoolOptions & AveragePoolOptions) => Layer, Parts][] = [
  ['maxPool', 'max', maxPool, maximum('first')],
  ['maxPool, ties: all', 'max', (options) => maxPool({ ...options, ties: 'all' }), maximum('all')],
  ['averagePool', 'average', averagePool, average(false)],
  ['averagePool, countPadding', 'average', (options) => averagePool({ ...options, countPadding: true }), average(true)],
];

/** Small whole numbers: many ties, and sums of gradients that are exact in float32. */
function withTies(shape: number[], seed: number): HostTensor {
  const tensor = randomTensor(shape, seed, 2);
  return { shape, data: tensor.data.map(Math.round) };
}

function countUp(shape: number[]): HostTensor {
  const length = shape.reduce((product, size) => product * size, 1);
  return { shape, data: Float32Array.from({ length }, (_, i) => i + 1) };
}

const gpu = await testGpu();
expectNoLeaks(gpu);

it.each([
  ['max-pool.ts', [2, 96, 55, 55], [2, 96, 27, 27]],
  ['average-pool.ts', [2, 32, 16, 16], [2, 32, 8, 8]],
])('the example of %s gives the shape that it names', async (source, input, output) => {
  const [layer] = (await runExamples(source, import.meta.url, { maxPool, averagePool })) as [Layer];
  expect(layer.outputShape(input)).toEqual(output);
});

const none = { top: 0, left: 0, bottom: 0, right: 0 };
const plain = { stride: [2, 2], padding: none, rounding: 'floor' } satisfies Partial<Windows>;

describe.each(kinds)('%s', (_title, kind, layerOf, parts) => {
  describeLayer(
    (options: Omit<Windows, 'shape'>) => layerOf(options),
    [
      { options: { ...plain, size: [3, 3] }, input: [3, 2, 7, 5], columns: { count: 2, from: 'own' } },
      {
        options: { size: [3, 2], stride: [2, 1], padding: { ...none, top: 1, right: 1 }, rounding: 'ceil' },
        input: [2, 3, 6, 5],
      },
      // Four images per invocation.
      { options: { ...plain, size: [3, 3], padding: { ...none, left: 2 } }, input: [4, 2, 4, 7] },
    ],
    {
      describe,
      it,
      draw: separatedTensor,
      reference: ({ options, input, outputGradient }) => {
        const shape = input.shape as Windows['shape'];
        const { output, inputGradient } = reference({ ...options, shape }, parts, kind, input.data);
        return { output, inputGradient: inputGradient(outputGradient.data) };
      },
    },
  );

  it('agrees with the definition, forward and backward, on any windows', async () => {
    await fc.assert(
      fc.asyncProperty(drawnWindows, fc.nat(1e6), fc.boolean(), async (drawn, seed, tied) => {
        const { shape, ...options } = drawn;
        const input = tied ? withTies(shape, seed) : randomTensor(shape, seed);
        const expected = reference(drawn, parts, kind, input.data);
        const outputGradient = randomTensor(expected.outputShape, seed + 1);
        const result = await runLayer(gpu, layerOf(options), { input, outputGradient });
        expect(result.output.shape).toEqual(expected.outputShape);
        if (kind === 'max') expect([...result.output.data]).toEqual([...expected.output]);
        else expect(relativeError(result.output.data, expected.output)).toBeLessThanOrEqual(1e-5);
        const wanted = expected.inputGradient(outputGradient.data);
        expect(relativeError(result.inputGradient!.data, wanted)).toBeLessThanOrEqual(1e-4);
        // Elements in no window must not get even a small gradient.
        expect([...result.inputGradient!.data].map((value) => value === 0)).toEqual(
          [...wanted].map((value) => value === 0),
        );
      }),
      { numRuns: 12, seed: 2012 },
    );
  });

  it('agrees with the definition if a sweep is split and windows are large', async () => {
    const drawn: Windows = {
      shape: [1, 1, 90, 12],
      size: [13, 11],
      stride: [2, 1],
      padding: { top: 3, left: 1, bottom: 3, right: 0 },
      rounding: 'floor',
    };
    const { shape, ...options } = drawn;
    const input = randomTensor(shape, 8);
    const expected = reference(drawn, parts, kind, input.data);
    const outputGradient = randomTensor(expected.outputShape, 9);
    const result = await runLayer(gpu, layerOf(options), { input, outputGradient });
    expect(relativeError(result.output.data, expected.output)).toBeLessThanOrEqual(1e-5);
    expect(relativeError(result.inputGradient!.data, expected.inputGradient(outputGradient.data))).toBeLessThanOrEqual(
      1e-4,
    );
  });

  it('has the same gradient outside training', async () => {
    const input = withTies([2, 3, 5, 5], 1);
    const layer = layerOf({ size: 3, stride: 2, name: 'pool1' });
    const outputGradient = randomTensor([2, 3, 2, 2], 2);
    const trained = await runLayer(gpu, layer, { input, outputGradient });
    const evaluated = await runLayer(gpu, layer, { input, outputGradient, training: false });
    expect(evaluated.inputGradient).toEqual(trained.inputGradient);
  });

  it('pools the whole map', async () => {
    const input = randomTensor([3, 2, 6, 6], 12);
    const drawn: Windows = {
      shape: [3, 2, 6, 6],
      size: [6, 6],
      stride: [6, 6],
      padding: { top: 0, left: 0, bottom: 0, right: 0 },
      rounding: 'floor',
    };
    const { output } = await runLayer(gpu, layerOf({ size: 6 }), { input });
    expect(output.shape).toEqual([3, 2, 1, 1]);
    expect(relativeError(output.data, reference(drawn, parts, kind, input.data).output)).toBeLessThanOrEqual(1e-5);
  });

  it('keeps large and tiny values', async () => {
    for (const scale of [1e-30, 1e30]) {
      const input = { shape: [1, 1, 2, 2], data: Float32Array.of(-scale, -2 * scale, -4 * scale, -scale) };
      const { output } = await runLayer(gpu, layerOf({ size: 2 }), { input });
      expect(output.data[0]! / scale).toBeCloseTo(kind === 'max' ? -1 : -2, 5);
    }
  });

  it('gives NaN where a window contains NaN, and nowhere else', async () => {
    for (const position of [0, 5, 10, 15]) {
      const input = countUp([1, 1, 4, 4]);
      input.data[position] = Number.NaN;
      const drawn: Windows = {
        shape: [1, 1, 4, 4],
        size: [2, 2],
        stride: [1, 1],
        padding: { top: 0, left: 0, bottom: 0, right: 0 },
        rounding: 'floor',
      };
      const { output } = await runLayer(gpu, layerOf({ size: 2, stride: 1 }), { input });
      const expected = windowsOf(drawn).windows.map(({ elements }) => elements.includes(position));
      expect([...output.data].map(Number.isNaN)).toEqual(expected);
    }
  });

  it('gives zero to inputs in no window', async () => {
    const outputGradient = { shape: [1, 1, 2, 2], data: new Float32Array(4).fill(1) };
    const result = await runLayer(gpu, layerOf({ size: 1, stride: 3 }), {
      input: countUp([1, 1, 5, 6]),
      outputGradient,
    });
    expect([...result.output.data]).toEqual([1, 4, 19, 22]);
    expect(result.inputGradient!.data.reduce((sum, value) => sum + value, 0)).toBe(4);
    expect([0, 3, 18, 21].map((i) => result.inputGradient!.data[i])).toEqual([1, 1, 1, 1]);
  });

  it('has a description', () => {
    const layer = layerOf({ size: 3, stride: 2, name: 'pool1' });
    expect(layer.name).toBe('pool1');
    expect(layer.kind).toBe(kind === 'max' ? 'maxPool' : 'averagePool');
    expect(layerOf({ size: 2 }).name).toBe(layer.kind);
    expect(layer.outputShape([128, 96, 55, 55])).toEqual([128, 96, 27, 27]);
    expect(layer.outputShape([128, 256, 13, 13])).toEqual([128, 256, 6, 6]);
    expect(layerOf({ size: 3, stride: 2, rounding: 'ceil' }).outputShape([1, 32, 16, 16])).toEqual([1, 32, 8, 8]);
    expect(layer.parameters([1, 1, 3, 3])).toEqual([]);
    expect(layer.multiplyAdds([1, 1, 3, 3])).toBe(0);
    expect(layer.column({ index: 1, count: 2 })).toBe(layer);
  });

  it.each([
    [{ size: 0 }, /pool1: size must be/],
    [{ size: 1.5 }, /size/],
    [{ size: undefined as unknown as Pair }, /size/],
    [{ size: [3] as unknown as Pair }, /size/],
    [{ size: 3, stride: 0 }, /pool1: stride must be/],
    [{ size: 3, stride: Number.NaN }, /stride.*NaN/],
    [{ size: 3, padding: -1 }, /padding/],
    [{ size: 3, padding: 3 }, /padding must be less than the window of 3 x 3/],
    [{ size: [3, 2] as const, padding: 2 }, /padding must be less than the window of 3 x 2/],
    [{ size: 2, padding: { top: 0, left: 0, bottom: 0, right: 2 } }, /right 2/],
    [{ size: 2, rounding: 'round' as 'ceil' }, /rounding must be 'floor' or 'ceil', got 'round'/],
  ])('refuses %j', (options, message) => {
    const make = () => layerOf({ name: 'pool1', ...options });
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(message);
  });

  it('refuses inputs that are not images or are too small', () => {
    const layer = layerOf({ size: 3, padding: { top: 1, left: 0, bottom: 0, right: 0 }, name: 'pool1' });
    expect(() => layer.outputShape([2, 96])).toThrow(ShapeError);
    expect(() => layer.outputShape([2, 96, 1, 9])).toThrow(ShapeError);
    expect(() => layer.outputShape([2, 96, 1, 9])).toThrow(/pool1: no window of 3 x 3 fits in 2 x 9/);
    expect(layer.outputShape([2, 96, 2, 9])).toEqual([2, 96, 1, 3]);
  });
});

describe('maxPool', () => {
  // ONNX's precomputed conformance cases, by their names there.
  it.each<[string, MaxPoolOptions, number, number[][]]>([
    [
      'maxpool_2d_precomputed_pads',
      { size: 5, stride: 1, padding: 2 },
      5,
      [
        [13, 14, 15, 15, 15],
        [18, 19, 20, 20, 20],
        [23, 24, 25, 25, 25],
        [23, 24, 25, 25, 25],
        [23, 24, 25, 25, 25],
      ],
    ],
    [
      'maxpool_2d_precomputed_strides',
      { size: 2, stride: 2 },
      5,
      [
        [7, 9],
        [17, 19],
      ],
    ],
    [
      'maxpool_2d_precomputed_same_upper',
      { size: 3, stride: 2, padding: 1 },
      5,
      [
        [7, 9, 10],
        [17, 19, 20],
        [22, 24, 25],
      ],
    ],
    [
      'maxpool_2d_ceil',
      { size: 3, stride: 2, rounding: 'ceil' },
      4,
      [
        [11, 12],
        [15, 16],
      ],
    ],
  ])('gives the published values of %s', async (_name, options, side, expected) => {
    const { output } = await runLayer(gpu, maxPool(options), { input: countUp([1, 1, side, side]) });
    expect([...output.data]).toEqual(expected.flat());
  });

  it('never takes padding for a maximum', async () => {
    const input = { shape: [1, 1, 2, 2], data: Float32Array.of(-4, -3, -2, Number.NEGATIVE_INFINITY) };
    const { output } = await runLayer(gpu, maxPool({ size: 2, stride: 1, padding: 1 }), { input });
    expect([...output.data]).toEqual([-4, -3, -3, -2, -2, -3, -2, -2, Number.NEGATIVE_INFINITY]);
  });

  it('routes the gradient of equal maxima to the first, or to all of them', async () => {
    const input = { shape: [1, 1, 2, 3], data: Float32Array.of(1, 5, 5, 5, 0, 5) };
    const outputGradient = { shape: [1, 1, 1, 2], data: Float32Array.of(10, 1) };
    const windows = { size: 2, stride: 1 };
    const first = await runLayer(gpu, maxPool(windows), { input, outputGradient });
    expect([...first.inputGradient!.data]).toEqual([0, 11, 0, 0, 0, 0]);
    const all = await runLayer(gpu, maxPool({ ...windows, ties: 'all' }), { input, outputGradient });
    expect([...all.inputGradient!.data]).toEqual([0, 11, 1, 10, 0, 1]);
  });

  it('routes the gradient of a maximum that is minus infinity or NaN to an element of the window', async () => {
    const outputGradient = { shape: [1, 1, 1, 1], data: Float32Array.of(3) };
    for (const ties of ['first', 'all'] as const) {
      for (const [values, expected] of [
        [
          [1, Number.NaN, 2, 4],
          [0, 3, 0, 0],
        ],
        [new Array(4).fill(Number.NEGATIVE_INFINITY), ties === 'first' ? [3, 0, 0, 0] : [3, 3, 3, 3]],
      ]) {
        const input = { shape: [1, 1, 2, 2], data: Float32Array.from(values!) };
        const { inputGradient } = await runLayer(gpu, maxPool({ size: 2, ties }), { input, outputGradient });
        expect([...inputGradient!.data]).toEqual(expected);
      }
    }
  });

  it('refuses an unknown option for ties', () => {
    expect(() => maxPool({ size: 2, ties: 'last' as 'all' })).toThrow(
      /maxPool: ties must be 'first' or 'all', got 'last'/,
    );
  });
});

describe('averagePool', () => {
  // ONNX's precomputed conformance cases, by their names there.
  it.each<[string, AveragePoolOptions, number, number[][]]>([
    [
      'averagepool_2d_precomputed_pads',
      { size: 5, stride: 1, padding: 2 },
      5,
      [
        [7, 7.5, 8, 8.5, 9],
        [9.5, 10, 10.5, 11, 11.5],
        [12, 12.5, 13, 13.5, 14],
        [14.5, 15, 15.5, 16, 16.5],
        [17, 17.5, 18, 18.5, 19],
      ],
    ],
    [
      'averagepool_2d_precomputed_pads_count_include_pad',
      { size: 5, stride: 1, padding: 2, countPadding: true },
      5,
      [
        [2.52, 3.6, 4.8, 4.08, 3.24],
        [4.56, 6.4, 8.4, 7.04, 5.52],
        [7.2, 10, 13, 10.8, 8.4],
        [6.96, 9.6, 12.4, 10.24, 7.92],
        [6.12, 8.4, 10.8, 8.88, 6.84],
      ],
    ],
    [
      'averagepool_2d_precomputed_strides',
      { size: 2, stride: 2 },
      5,
      [
        [4, 6],
        [14, 16],
      ],
    ],
    [
      'averagepool_2d_precomputed_same_upper',
      { size: 3, stride: 2, padding: 1 },
      5,
      [
        [4, 5.5, 7],
        [11.5, 13, 14.5],
        [19, 20.5, 22],
      ],
    ],
    [
      'averagepool_2d_ceil',
      { size: 3, stride: 2, rounding: 'ceil' },
      4,
      [
        [6, 7.5],
        [12, 13.5],
      ],
    ],
  ])('gives the published values of %s', async (_name, options, side, expected) => {
    const { output } = await runLayer(gpu, averagePool(options), { input: countUp([1, 1, side, side]) });
    expect(relativeError(output.data, expected.flat())).toBeLessThanOrEqual(1e-6);
  });

  it('counts padding but not what extends beyond it, as PyTorch does', async () => {
    // Along each axis: windows at -1, 1 and 3; the last overhangs the padded image of 6 by one.
    const options = { size: 4, stride: 2, padding: 1, rounding: 'ceil' as const, countPadding: true };
    const input = { shape: [1, 1, 5, 5], data: new Float32Array(25).fill(1) };
    const { output } = await runLayer(gpu, averagePool(options), { input });
    expect(output.shape).toEqual([1, 1, 3, 3]);
    expect(
      relativeError(output.data, [9 / 16, 12 / 16, 6 / 12, 12 / 16, 1, 8 / 12, 6 / 12, 8 / 12, 4 / 9]),
    ).toBeLessThanOrEqual(1e-6);
  });

  it('refuses anything but true and false for countPadding', () => {
    expect(() => averagePool({ size: 2, countPadding: 1 as unknown as boolean })).toThrow(
      /countPadding must be true or false, got 1/,
    );
  });
});

it.each([maxPool, averagePool])('says what an output position sees: %o', (pool) => {
  expect(pool({ size: [3, 2], stride: 2 }).window).toEqual({ size: [3, 2], stride: [2, 2] });
  expect(pool({ size: 3 }).window).toEqual({ size: [3, 3], stride: [3, 3] });
});

it('says with which options it was made, the defaults filled in', () => {
  const windows = { size: [3, 3], stride: [2, 2], padding: { top: 1, left: 1, bottom: 1, right: 1 } };
  const given = { name: 'pool1', size: 3, stride: 2, padding: 1 };
  expect(maxPool(given).options).toEqual({ ...windows, rounding: 'floor', ties: 'first' });
  expect(averagePool({ ...given, rounding: 'ceil' }).options).toEqual({
    ...windows,
    rounding: 'ceil',
    countPadding: false,
  });
});
