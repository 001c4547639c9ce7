import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu } from '../adapter/adapters.js';
import type { Gpu } from '../adapter/gpu.js';
import { ConfigError, ShapeError } from '../errors.js';
import { fromHalves, toHalves } from '../kernel/half.js';
import { createProgram, type Program } from '../kernel/program.js';
import { createTensor, disposeTensor, readTensor, type Tensor, writeTensor } from '../kernel/tensor.js';
import { randomTensor, relativeError } from '../testing/values.js';
import { type ProductOptions, recordProduct } from './product.js';
import type { Share } from './products/shape.js';
import type { ProductTile } from './products/tile-size.js';

type Case = Pick<ProductOptions, 'm' | 'n' | 'k' | 'tile' | 'share' | 'splitK' | 'epilogue'> & {
  transposeA?: boolean;
  transposeB?: boolean;
  bias?: boolean;
  accumulate?: boolean;
  rowSums?: boolean;
};

/** The same product in plain float64 loops. */
function reference(
  { m, n, k, transposeA, transposeB, epilogue }: Case,
  a: Float32Array,
  b: Float32Array,
  bias: Float32Array | undefined,
  before: Float32Array | undefined,
): Float64Array {
  const output = new Float64Array(m * n);
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      let sum = (bias?.[row] ?? 0) + (before?.[row * n + column] ?? 0);
      for (let step = 0; step < k; step++) {
        sum +=
          a[transposeA ? step * m + row : row * k + step]! * b[transposeB ? column * k + step : step * n + column]!;
      }
      // The only epilogue in these tests halves its value.
      output[row * n + column] = epilogue ? sum / 2 : sum;
    }
  }
  return output;
}

/** `halves`: which operands are stored as f16; the values of both fit in one then. */
async function errorOf(gpu: Gpu, test: Case, halves: readonly string[] = []): Promise<number> {
  const { bias: hasBias, rowSums: sumsRows = false, ...sizes } = test;
  const { m, n, k } = sizes;
  const stored = (data: Float32Array) => (halves.length > 0 ? fromHalves(toHalves(data)).slice(0, data.length) : data);
  const values = {
    a: stored(randomTensor([m, k], 1).data),
    b: stored(randomTensor([k, n], 2).data),
    output: randomTensor([m, n], 3).data,
    bias: randomTensor([m], 4).data,
    rowSums: randomTensor([m], 5).data,
  };
  const tensors = Object.fromEntries(
    Object.entries(values).map(([name, data]) => {
      const tensor = createTensor(gpu, name, [data.length], halves.includes(name) ? { dataType: 'f16' } : {});
      writeTensor(gpu, tensor, data);
      return [name, tensor];
    }),
  ) as Record<keyof typeof values, Tensor>;
  const { a, b, output, bias, rowSums } = tensors;
  let program: Program | undefined;
  try {
    program = createProgram(gpu, (recorder) => {
      recordProduct(recorder, {
        ...{ ...sizes, label: 'product', a, b, output },
        ...(hasBias && { bias }),
        ...(sumsRows && { rowSums }),
      });
    });
    await program.run();
    const want = reference(
      test,
      values.a,
      values.b,
      hasBias ? values.bias : undefined,
      test.accumulate ? values.output : undefined,
    );
    const error = relativeError(await readTensor(gpu, output), want);
    if (!sumsRows) return error;
    const sums = Float64Array.from({ length: m }, (_, row) =>
      values.a.subarray(row * k, (row + 1) * k).reduce((sum, value) => sum + value, 0),
    );
    return Math.max(error, relativeError(await readTensor(gpu, rowSums), sums));
  } finally {
    program?.dispose();
    for (const tensor of Object.values(tensors)) disposeTensor(gpu, tensor);
  }
}

/**
 * Tiles of different sizes that a family supports, whatever the adapter would choose; none if the adapter has no such family.
 */
function tilesOf({ subgroupSize, subgroupMatrix }: Gpu, share: Share): ProductTile[] {
  const tile = (
    [rows, columns]: readonly [number, number],
    [invocationRows, workgroupSize]: readonly [number, number],
    unroll: number,
  ): ProductTile => ({ rows, columns, invocationRows, workgroupSize, unroll });
  if (share === 'workgroup') {
    return [
      tile([4, 4], [1, 4], 4),
      tile([4, 8], [2, 8], 8),
      tile([8, 4], [3, 12], 16),
      tile([12, 4], [1, 32], 4),
      tile([16, 8], [8, 16], 20),
    ];
  }
  if (share === 'matrix') {
    if (!subgroupMatrix || subgroupSize === undefined) return [];
    const { rows, columns, steps } = subgroupMatrix;
    return [
      tile([rows, columns], [1, subgroupSize], steps),
      tile([rows, 2 * columns], [1, 2 * subgroupSize], 2 * steps),
      tile([3 * rows, columns], [2, 2 * subgroupSize], steps),
      tile([2 * rows, columns], [2, 4 * subgroupSize], 2 * steps),
    ];
  }
  if (share === 'subgroup' && subgroupSize === undefined) return [];
  const lanes = share === 'subgroup' ? subgroupSize! : 4;
  return [
    tile([1, 3], [1, 3 * lanes], 1),
    tile([3, 1], [1, lanes], 5),
    tile([4, 2], [1, 2 * lanes], 1),
    tile([12, 2], [1, 2 * lanes], 5),
    tile([16, 1], [1, lanes], 3),
  ];
}

describe.each([
  ['with subgroups if the adapter has them', {}, 20],
  ['without subgroups', { subgroups: false }, 8],
])('a matrix product %s', (_, options, randomShapes) => {
  let gpu: Gpu;
  beforeAll(async () => {
    const adapter = process.env['ALEX_ADAPTER'];
    gpu = await openGpu({ ...options, ...(adapter ? { adapter } : {}) });
  });
  afterAll(() => {
    expect(gpu.liveBuffers).toBe(0);
    gpu.dispose();
  });

  it('agrees with float64 loops on ragged sizes in all four transpositions', async () => {
    const size = fc.integer({ min: 1, max: 70 });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          m: size,
          n: size,
          k: size,
          transposeA: fc.boolean(),
          transposeB: fc.boolean(),
          bias: fc.boolean(),
          accumulate: fc.boolean(),
        }),
        async (test) => {
          expect(await errorOf(gpu, test)).toBeLessThan(1e-5);
        },
      ),
      { numRuns: randomShapes, seed: 7 },
    );
  });

  it('agrees on sizes that fill whole tiles and sizes one more or less', async () => {
    for (const [m, n, k] of [
      [15, 33, 8],
      [16, 32, 8],
      [16, 31, 9],
      [17, 32, 7],
    ] as const) {
      for (const transposeA of [false, true]) {
        expect(await errorOf(gpu, { m, n, k, transposeA }), `${m} x ${k} x ${n}`).toBeLessThan(1e-5);
      }
    }
  });

  it.each([
    { m: 1, n: 1, k: 1 },
    { m: 1, n: 300, k: 2 },
    { m: 300, n: 1, k: 5 },
    { m: 10, n: 16, k: 4096, bias: true },
    { m: 257, n: 129, k: 385, transposeA: true },
    { m: 200, n: 500, k: 16, transposeB: true },
  ])('agrees on $m x $k x $n', async (test) => {
    expect(await errorOf(gpu, test)).toBeLessThan(1e-5);
  });

  it('gives the same result with split-K, with a remainder', async () => {
    for (const [k, splitK] of [
      [3, 2],
      [64, 3],
      [1001, 7],
    ] as const) {
      for (const transposeA of [false, true]) {
        const test = { m: 9, n: 20, k, splitK, transposeA, bias: true, accumulate: true };
        expect(await errorOf(gpu, test), JSON.stringify(test)).toBeLessThan(1e-5);
      }
    }
  });

  it.each([
    { m: 20, n: 64, k: 12 },
    { m: 5, n: 7, k: 4096, splitK: 3, bias: true },
    { m: 5, n: 7, k: 9, accumulate: true },
  ])('applies the epilogue to each value once: $m x $k x $n', async (test) => {
    const epilogue = { name: 'half', wgsl: (x: string) => `${x} * 0.5` };
    expect(await errorOf(gpu, { ...test, epilogue })).toBeLessThan(1e-5);
    // In the product's own kernel, as on a GPU.
    const likeHardware = await openGpu({ adapter: gpu.description.index, ...options });
    Object.defineProperty(likeHardware, 'description', { value: { ...gpu.description, kind: 'hardware' } });
    expect(await errorOf(likeHardware, { ...test, epilogue })).toBeLessThan(1e-5);
    likeHardware.dispose();
  });

  it('gives the same result if a workgroup stages rows and columns in its memory', async () => {
    const tile = fc.constantFrom(
      { rows: 4, columns: 4, invocationRows: 2, workgroupSize: 8, unroll: 4 },
      { rows: 8, columns: 4, invocationRows: 1, workgroupSize: 8, unroll: 4 },
      { rows: 4, columns: 4, invocationRows: 4, workgroupSize: 16, unroll: 8 },
    );
    const size = fc.integer({ min: 1, max: 50 });
    // Multiples of four are loaded four at a time.
    const fours = size.map((quads) => 4 * quads);
    const sizes = fc.oneof(fc.record({ m: size, n: size, k: size }), fc.record({ m: fours, n: fours, k: fours }));
    const flags = fc.record({
      transposeA: fc.boolean(),
      transposeB: fc.boolean(),
      bias: fc.boolean(),
      accumulate: fc.boolean(),
      splitK: fc.constantFrom(1, 1, 3),
    });
    await fc.assert(
      fc.asyncProperty(sizes, flags, tile, async (sizes, flags, tile) => {
        expect(await errorOf(gpu, { ...sizes, ...flags, tile, share: 'workgroup' })).toBeLessThan(1e-5);
      }),
      { numRuns: randomShapes, seed: 11 },
    );
  });

  it('multiplies values stored as f16 on matrix units, if the adapter has them', async (context) => {
    const matrix = gpu.subgroupMatrix;
    if (!matrix) return context.skip('no matrix units');
    const subgroups = (count: number) => count * gpu.subgroupSize!;
    const tile = fc.constantFrom(
      { rows: matrix.rows, columns: matrix.columns, invocationRows: 1, workgroupSize: subgroups(1), unroll: 16 },
      { rows: 2 * matrix.rows, columns: matrix.columns, invocationRows: 2, workgroupSize: subgroups(4), unroll: 32 },
    );
    const size = fc.integer({ min: 1, max: 40 });
    const fours = size.map((quads) => 4 * quads);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.record({ m: size, n: size, k: size }), fc.record({ m: fours, n: fours, k: fours })),
        fc.record({
          transposeA: fc.boolean(),
          transposeB: fc.boolean(),
          bias: fc.boolean(),
          accumulate: fc.boolean(),
          splitK: fc.constantFrom(1, 1, 3),
        }),
        tile,
        // Weights of dense layers are read as f32.
        fc.constantFrom(['a', 'b'], ['b'], ['a']),
        async (sizes, flags, tile, halves) => {
          expect(await errorOf(gpu, { ...sizes, ...flags, tile, share: 'matrix' }, halves)).toBeLessThan(1e-5);
        },
      ),
      { numRuns: randomShapes, seed: 13 },
    );
  });

  it.each([
    ['as parts of the reduction', { m: 21, n: 44, k: 90, splitK: 3 }],
    ['of a rest of rows and steps, one column block of several', { m: 30, n: 33, k: 17 }],
    ['in loads of four', { m: 16, n: 24, k: 32, transposeB: true }],
    ['of few steps', { m: 5, n: 8, k: 1 }],
  ])('sums the rows of an operand on the way: %s', async (_, sizes) => {
    const tile = { rows: 4, columns: 4, invocationRows: 2, workgroupSize: 8, unroll: 8 };
    const likeHardware = await openGpu({ adapter: gpu.description.index, ...options });
    Object.defineProperty(likeHardware, 'description', { value: { ...gpu.description, kind: 'hardware' } });
    for (const share of ['workgroup', 'none'] as const) {
      const own = share === 'workgroup' ? { tile, share } : { share };
      expect(await errorOf(likeHardware, { ...sizes, ...own, rowSums: true }), share).toBeLessThan(1e-5);
    }
    expect(await errorOf(gpu, { ...sizes, rowSums: true })).toBeLessThan(1e-5);
    likeHardware.dispose();
  });

  it('does so with matrix units, if the adapter has them', async (context) => {
    const { subgroupMatrix: matrix, subgroupSize = 1 } = gpu;
    if (!matrix) return context.skip('no matrix units');
    const likeHardware = await openGpu({ adapter: gpu.description.index, ...options });
    Object.defineProperty(likeHardware, 'description', { value: { ...gpu.description, kind: 'hardware' } });
    const tile = {
      rows: 2 * matrix.rows,
      columns: matrix.columns,
      invocationRows: 2,
      workgroupSize: 4 * subgroupSize,
      unroll: 32,
    };
    for (const sizes of [
      { m: 50, n: 44, k: 100, transposeB: true },
      { m: 27, n: 9, k: 70, splitK: 2 },
    ]) {
      const test = { ...sizes, tile, share: 'matrix', rowSums: true } as const;
      expect(await errorOf(likeHardware, test, ['a', 'b'])).toBeLessThan(1e-5);
    }
    likeHardware.dispose();
  });

  it('refuses a tile that cannot be staged', async () => {
    const tile = { rows: 6, columns: 4, workgroupSize: 16, invocationRows: 4, unroll: 8 };
    await expect(errorOf(gpu, { m: 8, n: 8, k: 8, tile, share: 'workgroup' })).rejects.toThrow(/multiples of 4/);
  });

  it('splits what is larger than a binding, along rows or along the reduction', async () => {
    const narrow = await openGpu({ adapter: gpu.description.index, ...options, bindingBytes: 64 * 1024 });
    const epilogue = { name: 'half', wgsl: (x: string) => `${x} * 0.5` };
    // 300 x 96 values are 115 kB: of a, of the transposed a, and of the output.
    for (const test of [
      { m: 300, k: 96, n: 8, bias: true },
      { m: 96, k: 300, n: 8, transposeA: true, bias: true, accumulate: true, epilogue },
      { m: 300, k: 8, n: 96, transposeB: true, accumulate: true },
      { m: 301, k: 96, n: 5, bias: true },
    ]) {
      expect(await errorOf(narrow, test), JSON.stringify(test)).toBeLessThan(1e-5);
    }
    narrow.dispose();
  });

  it.for(['none', 'subgroup', 'workgroup', 'matrix'] as const)(
    'does not depend on the tile, if operands are shared by %s',
    async (share, context) => {
      const tiles = tilesOf(gpu, share);
      if (tiles.length === 0) return context.skip('no such kernels here');
      for (const tile of tiles) {
        const test = { m: 21, n: 45, k: 19, tile, share, transposeA: tile.rows !== 4 };
        const halves = share === 'matrix' ? ['a', 'b'] : [];
        expect(await errorOf(gpu, test, halves), JSON.stringify(test)).toBeLessThan(1e-5);
      }
    },
  );

  it('refuses sizes and tensors that do not fit, before any work', async () => {
    const tensor = (elements: number) => ({ label: 't', shape: [elements], elements, dataType: 'f32' as const });
    const record = (m: number, elements: number) => () =>
      createProgram(gpu, (recorder) => {
        recordProduct(recorder, {
          label: 'p',
          a: tensor(elements),
          b: tensor(6),
          output: tensor(m * 3),
          m,
          n: 3,
          k: 2,
        });
      });
    expect(record(0, 8)).toThrow(ConfigError);
    expect(record(Number.NaN, 8)).toThrow(/m must be a whole number/);
    expect(record(4, 7)).toThrow(ShapeError);
    expect(record(4, 7)).toThrow(/a must have 8 values/);
    await expect(errorOf(gpu, { m: 2, n: 2, k: 2, transposeA: true, rowSums: true })).rejects.toThrow(/rowSums/);
  });
});
