import { ConfigError, type HostTensor, type Layer, ShapeError } from '@alex/tensor';
import { describeLayer, randomTensor, relativeError, runLayer, testGpu } from '@alex/tensor/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runExamples } from '../../../example.base.js';
import { expectNoLeaks } from '../../../leaks.base.js';
import { type LocalResponseNormOptions, localResponseNorm } from './index.js';

interface Case {
  readonly shape: [number, number, number, number];
  readonly options: Required<Omit<LocalResponseNormOptions, 'name'>>;
}

const paper: Case['options'] = {
  size: 5,
  alpha: 1e-4,
  beta: 0.75,
  k: 2,
  alphaPerElement: false,
  across: 'maps',
  groups: 1,
};

/** The elements whose squares enter the denominator of element `index`: the definition. */
function windowOf([, C, H, W]: Case['shape'], { size, across, groups }: Case['options'], index: number): number[] {
  const column = index % W;
  const row = Math.floor(index / W) % H;
  const map = Math.floor(index / (W * H)) % C;
  const image = Math.floor(index / (W * H * C));
  const at = (c: number, y: number, x: number) => ((image * C + c) * H + y) * W + x;
  const near = (centre: number) => Array.from({ length: size }, (_, i) => centre - Math.floor(size / 2) + i);
  if (across === 'maps') {
    const group = (c: number) => Math.floor(c / (C / groups));
    return near(map)
      .filter((c) => c >= 0 && c < C && group(c) === group(map))
      .map((c) => at(c, row, column));
  }
  return near(row)
    .filter((y) => y >= 0 && y < H)
    .flatMap((y) =>
      near(column)
        .filter((x) => x >= 0 && x < W)
        .map((x) => at(map, y, x)),
    );
}

function reference({ shape, options }: Case, x: ArrayLike<number>) {
  const { size, beta, k, alphaPerElement, across } = options;
  const alpha = options.alpha / (alphaPerElement ? (across === 'maps' ? size : size * size) : 1);
  const windows = Array.from({ length: x.length }, (_, i) => windowOf(shape, options, i));
  const s = windows.map((window) => k + alpha * window.reduce((sum, j) => sum + x[j]! * x[j]!, 0));
  const output = Float64Array.from(s, (value, i) => x[i]! / value ** beta);
  /** From each output to the inputs it depends on, by the chain rule. */
  const inputGradient = (dy: ArrayLike<number>) => {
    const dx = new Float64Array(x.length);
    for (let i = 0; i < x.length; i++) {
      dx[i]! += dy[i]! / s[i]! ** beta;
      const bySquare = dy[i]! * x[i]! * -beta * s[i]! ** (-beta - 1) * alpha;
      for (const j of windows[i]!) dx[j]! += bySquare * 2 * x[j]!;
    }
    return dx;
  };
  return { output, inputGradient };
}

const cases = (across: 'maps' | 'space'): fc.Arbitrary<Case> =>
  fc
    .record({
      images: fc.integer({ min: 1, max: 5 }),
      groups: fc.constantFrom(1, 1, 2, 3),
      maps: fc.integer({ min: 1, max: 19 }),
      height: fc.integer({ min: 1, max: 9 }),
      width: fc.integer({ min: 1, max: 9 }),
      size: fc.constantFrom(1, 2, 3, 4, 5, 5, 5, 8, 9, 30),
      alpha: fc.constantFrom(0, 1e-4, 0.02, 1),
      beta: fc.constantFrom(0, 0.25, 0.5, 0.6, 0.75, 0.75, 1, 2.75, 5),
      k: fc.constantFrom(0.5, 1, 2),
      alphaPerElement: fc.boolean(),
    })
    .map(({ images, groups, maps, height, width, ...options }) => ({
      shape: [images, groups * maps, height, width],
      options: { ...options, across, groups },
    }));

const shapes = { numRuns: 14, seed: 2012 };
const allOnes = (shape: number[]): HostTensor => ({
  shape,
  data: new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(1),
});

it('has examples with the options that they name', async () => {
  const [paper, caffe] = (await runExamples('local-response-norm.ts', import.meta.url, {
    localResponseNorm,
  })) as Layer[];
  expect(paper!.options).toMatchObject({ size: 5, alpha: 1e-4, beta: 0.75, k: 2, alphaPerElement: false });
  expect(caffe!.options).toMatchObject({ k: 1, alphaPerElement: true });
});

const gpu = await testGpu();
expectNoLeaks(gpu);

describeLayer(
  (options: Partial<Case['options']>) => localResponseNorm(options),
  [
    { options: { size: 4, alpha: 0.3, k: 1 }, input: [2, 7, 3, 4] },
    { options: { groups: 2, alpha: 1 }, input: [3, 6, 2, 3], columns: { count: 2, from: 'own' } },
    {
      options: { across: 'space', size: 3, alpha: 0.5, alphaPerElement: true },
      input: [2, 4, 5, 3],
      columns: { count: 2, from: 'own' },
    },
  ],
  {
    describe,
    it,
    reference: ({ options, input, outputGradient }) => {
      const { output, inputGradient } = reference(
        { shape: input.shape as Case['shape'], options: { ...paper, ...options } },
        input.data,
      );
      return { output, inputGradient: inputGradient(outputGradient.data) };
    },
  },
);

describe.each(['maps', 'space'] as const)('localResponseNorm across %s', (across) => {
  it('agrees with the definition in float64, forward and backward, on any shape', async () => {
    await fc.assert(
      fc.asyncProperty(cases(across), fc.integer({ min: 0, max: 1e6 }), async (drawn, seed) => {
        const input = randomTensor(drawn.shape, seed, 3);
        const outputGradient = randomTensor(drawn.shape, seed + 1);
        const result = await runLayer(gpu, localResponseNorm(drawn.options), { input, outputGradient });
        const expected = reference(drawn, input.data);
        expect(result.output.shape).toEqual(drawn.shape);
        expect(result.inputGradient!.shape).toEqual(drawn.shape);
        expect(relativeError(result.output.data, expected.output)).toBeLessThanOrEqual(1e-5);
        expect(
          relativeError(result.inputGradient!.data, expected.inputGradient(outputGradient.data)),
        ).toBeLessThanOrEqual(1e-4);
      }),
      shapes,
    );
  });

  it('keeps its precision for tiny and large activations', async () => {
    for (const scale of [1e-30, 1e-3, 1e4, 1e8]) {
      const drawn: Case = { shape: [2, 6, 4, 3], options: { ...paper, across } };
      const input = randomTensor(drawn.shape, 1, scale);
      const outputGradient = randomTensor(drawn.shape, 2);
      const result = await runLayer(gpu, localResponseNorm(drawn.options), { input, outputGradient });
      const expected = reference(drawn, input.data);
      expect(relativeError(result.output.data, expected.output)).toBeLessThanOrEqual(1e-5);
      expect(
        relativeError(result.inputGradient!.data, expected.inputGradient(outputGradient.data)),
      ).toBeLessThanOrEqual(1e-4);
    }
  });

  it('has the same gradient outside training', async () => {
    const input = randomTensor([2, 3, 4, 5], 1, 9);
    const outputGradient = randomTensor([2, 3, 4, 5], 2);
    const layer = localResponseNorm({ across, alpha: 1 });
    const trained = await runLayer(gpu, layer, { input, outputGradient });
    const evaluated = await runLayer(gpu, layer, { input, outputGradient, training: false });
    expect(evaluated.inputGradient).toEqual(trained.inputGradient);
  });

  it('gives zeros for zeros and passes their gradient through, divided by k^beta', async () => {
    const shape = [1, 4, 3, 3];
    const input = { shape, data: new Float32Array(36) };
    const result = await runLayer(gpu, localResponseNorm({ across, k: 16 }), {
      input,
      outputGradient: allOnes(shape),
    });
    expect(result.output.data.every((value) => value === 0)).toBe(true);
    expect(relativeError(result.inputGradient!.data, new Float64Array(36).fill(1 / 8))).toBeLessThanOrEqual(1e-6);
  });

  it('gives NaN where a window contains NaN, and nowhere else', async () => {
    const shape: Case['shape'] = [1, 9, 9, 9];
    const options = { ...paper, across };
    const middle = 4 * 81 + 4 * 9 + 4;
    const input = allOnes(shape);
    input.data[middle] = Number.NaN;
    const { output } = await runLayer(gpu, localResponseNorm(options), { input });
    const expected = [...input.data].map((_, i) => windowOf(shape, options, i).includes(middle));
    expect([...output.data].map(Number.isNaN)).toEqual(expected);
  });
});

describe('localResponseNorm', () => {
  it.each([
    [{}, [12.5, 14.86509, 14.46156, 13.4654, 12.48618, 11.63256, 14.4865, 18.57194]],
    [{ alphaPerElement: true }, [30.83678, 42.04482, 43.81913, 42.29485, 40.01027, 37.723, 46.85028, 59.74061]],
    [{ k: 1, alphaPerElement: true }, [36.74196, 46.47362, 46.53024, 43.95363, 41.07726, 38.44614, 47.82839, 61.18951]],
  ])('gives the worked values of the paper, the 2012 code and Caffe: %j', async (options, expected) => {
    const input = { shape: [1, 8, 1, 1], data: Float32Array.from({ length: 8 }, (_, i) => 100 * (i + 1)) };
    const { output } = await runLayer(gpu, localResponseNorm(options), { input });
    for (const [i, value] of expected.entries())
      expect(Math.abs(output.data[i]! - value)).toBeLessThan(5.1e-6 + value * 2e-7);
  });

  it.each([
    ['test_lrn', { size: 3, alpha: 2e-4, beta: 0.5, k: 2 }],
    ['test_lrn_default', { size: 3, alpha: 1e-4, beta: 0.75, k: 1 }],
  ])("follows ONNX's conformance case %s", async (_name, options) => {
    const input = randomTensor([5, 5, 5, 5], 0);
    const { output } = await runLayer(gpu, localResponseNorm({ ...options, alphaPerElement: true }), { input });
    const expected = Float64Array.from(input.data, (x, i) => {
      const map = Math.floor(i / 25) % 5;
      let squares = 0;
      for (let c = Math.max(0, map - 1); c <= Math.min(4, map + 1); c++)
        squares += input.data[i + (c - map) * 25]! ** 2;
      return x / (options.k + (options.alpha / 3) * squares) ** options.beta;
    });
    expect(relativeError(output.data, expected)).toBeLessThanOrEqual(1e-6);
  });

  it('lets an even window reach one further back than ahead, as PyTorch and cuda-convnet do', async () => {
    const input = { shape: [1, 4, 1, 1], data: Float32Array.of(1, 2, 3, 4) };
    const { output } = await runLayer(gpu, localResponseNorm({ size: 2, alpha: 1, beta: 1, k: 1 }), { input });
    expect(relativeError(output.data, [1 / 2, 2 / 6, 3 / 14, 4 / 26])).toBeLessThanOrEqual(1e-6);
  });

  it('agrees with the definition if a sweep is split, and with many maps', async () => {
    const drawn: Case = { shape: [1, 150, 1, 1], options: { ...paper, alpha: 0.5, groups: 3 } };
    for (const seed of [1, 2]) {
      const shape: Case['shape'] = seed === 1 ? drawn.shape : [1, 2, 131, 2];
      const options = seed === 1 ? drawn.options : { ...drawn.options, across: 'space' as const, groups: 1 };
      const input = randomTensor(shape, seed);
      const outputGradient = randomTensor(shape, seed + 10);
      const result = await runLayer(gpu, localResponseNorm(options), { input, outputGradient });
      const expected = reference({ shape, options }, input.data);
      expect(relativeError(result.output.data, expected.output)).toBeLessThanOrEqual(1e-5);
      expect(
        relativeError(result.inputGradient!.data, expected.inputGradient(outputGradient.data)),
      ).toBeLessThanOrEqual(1e-4);
    }
  });

  it('has a name, no parameters, and the shape of its input', () => {
    const layer = localResponseNorm({ name: 'norm1' });
    expect(layer).toMatchObject({ kind: 'localResponseNorm', name: 'norm1' });
    expect(localResponseNorm().name).toBe('localResponseNorm');
    expect(layer.outputShape([2, 96, 55, 55])).toEqual([2, 96, 55, 55]);
    expect(layer.parameters([2, 96, 55, 55])).toEqual([]);
    expect(layer.multiplyAdds([2, 96, 55, 55])).toBe(0);
    expect(() => layer.column({ index: 0, count: 2 })).toThrow(/norm1: 1 groups cannot be divided into 2 columns/);
    const withinMaps = localResponseNorm({ across: 'space' });
    expect(withinMaps.column({ index: 0, count: 2 })).toBe(withinMaps);
  });

  it.each([
    [{ size: 0 }, /norm1: size must be a whole number of at least 1, got 0/],
    [{ size: 2.5 }, /size/],
    [{ size: Number.NaN }, /size.*NaN/],
    [{ alpha: -1 }, /alpha/],
    [{ alpha: Number.POSITIVE_INFINITY }, /alpha/],
    [{ beta: Number.NaN }, /beta/],
    [{ beta: -0.75 }, /beta/],
    [{ k: 0 }, /k must be a number above 0/],
    [{ k: 1e39 }, /k must be/],
    [{ groups: 0 }, /groups/],
    [{ alphaPerElement: 'yes' as unknown as boolean }, /alphaPerElement must be true or false, got 'yes'/],
    [{ across: 'channels' as 'maps' }, /across must be 'maps' or 'space', got 'channels'/],
  ])('refuses %j', (options, message) => {
    const make = () => localResponseNorm({ name: 'norm1', ...options });
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(message);
  });

  it('refuses inputs that are not images or whose channels the groups do not divide', () => {
    const layer = localResponseNorm({ name: 'norm1', groups: 4 });
    expect(() => layer.outputShape([2, 96])).toThrow(ShapeError);
    expect(() => layer.outputShape([2, 6, 5, 5])).toThrow(/norm1: 6 channels cannot be divided into 4 groups/);
    expect(() => layer.column({ index: 0, count: 3 })).toThrow(ConfigError);
  });
});

it('says with which options it was made, the defaults filled in', () => {
  const options = { size: 5, alpha: 1e-4, beta: 0.75, k: 2, alphaPerElement: false, across: 'maps', groups: 2 };
  expect(localResponseNorm({ name: 'norm1', groups: 2 }).options).toEqual(options);
  expect(localResponseNorm({ groups: 2 }).column({ index: 0, count: 2 }).options).toEqual({ ...options, groups: 1 });
});
