import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGpu } from '../adapter/adapters.js';
import type { Gpu, GpuOptions } from '../adapter/gpu.js';
import { createProgram, type Program } from '../kernel/program.js';
import { createTensor, disposeTensor, readTensor, type Tensor, writeTensor } from '../kernel/tensor.js';
import type { Update } from '../kernel/update.js';
import { randomTensor, relativeError } from '../testing/values.js';
import { type ProductOptions, recordProduct } from './product.js';

type Case = Pick<ProductOptions, 'm' | 'n' | 'k' | 'tile' | 'share' | 'splitK' | 'transposeA' | 'transposeB'> & {
  readonly bias?: boolean;
};

/** As an optimizer with one tensor of state and a factor, which may forbid the step. */
const update = (parameter: Tensor, velocity: Tensor, factor: Tensor): Update => ({
  label: 'sgd',
  tensors: { parameter, velocity },
  also: { factor },
  scalars: { rate: 'f32' },
  functions: 'fn half(x: f32) -> f32 { return 0.5 * x; }',
  body: `let factor = load_factor(0u);
if (factor != 0.0) { velocity = half(velocity) - scalar_rate() * factor * gradient; parameter += velocity + f32(i); }`,
});

const names = ['a', 'b', 'bias', 'parameter', 'velocity', 'factor'] as const;

/** The error of an updating product relative to float64 loops, and its number of dispatches. */
async function outcome(gpu: Gpu, { bias: hasBias = false, ...test }: Case, factor = 0.25) {
  const { m, n, k, transposeA, transposeB } = test;
  const sizes = { a: m * k, b: k * n, bias: m, parameter: m * n, velocity: m * n, factor: 1 };
  const tensors = {} as Record<(typeof names)[number], Tensor>;
  const values = {} as Record<(typeof names)[number], Float32Array>;
  for (const [seed, name] of names.entries()) {
    values[name] = name === 'factor' ? Float32Array.of(factor) : randomTensor([sizes[name]], seed).data;
    tensors[name] = createTensor(gpu, name, [sizes[name]]);
    writeTensor(gpu, tensors[name], values[name]);
  }
  const { a, b, bias, parameter, velocity } = tensors;
  let program: Program | undefined;
  try {
    program = createProgram(gpu, (recorder) => {
      const output = recorder.tensor('gradient', [m * n]);
      const own = update(parameter, velocity, tensors.factor);
      recordProduct(recorder, { ...test, label: 'p', a, b, output, ...(hasBias && { bias }), update: own });
    });
    await program.run({ rate: 0.5 });
    const want = { parameter: Float64Array.from(values.parameter), velocity: Float64Array.from(values.velocity) };
    for (let at = 0; factor !== 0 && at < m * n; at++) {
      const [row, column] = [Math.floor(at / n), at % n];
      let sum = hasBias ? values.bias[row]! : 0;
      for (let step = 0; step < k; step++) {
        const [left, right] = [
          transposeA ? step * m + row : row * k + step,
          transposeB ? column * k + step : step * n + column,
        ];
        sum += values.a[left]! * values.b[right]!;
      }
      want.velocity[at] = 0.5 * want.velocity[at]! - 0.5 * factor * sum;
      want.parameter[at]! += want.velocity[at]! + at;
    }
    const errors = [
      relativeError(await readTensor(gpu, parameter), want.parameter),
      relativeError(await readTensor(gpu, velocity), want.velocity),
    ];
    return { error: Math.max(...errors), dispatches: program.dispatchLabels };
  } finally {
    program?.dispose();
    for (const tensor of Object.values(tensors)) disposeTensor(gpu, tensor);
  }
}

describe('a product whose values update other tensors', () => {
  const opened: Gpu[] = [];
  let gpu: Gpu;
  /** An adapter that kernels treat as a GPU. */
  const open = async (options: GpuOptions = {}, kind = 'hardware') => {
    const adapter = process.env['ALEX_ADAPTER'];
    const own = await openGpu({ ...options, ...(adapter ? { adapter } : {}) });
    Object.defineProperty(own, 'description', { value: { ...own.description, kind } });
    opened.push(own);
    return own;
  };
  beforeAll(async () => {
    gpu = await open();
  });
  afterAll(() => {
    for (const own of opened) {
      expect(own.liveBuffers).toBe(0);
      own.dispose();
    }
  });

  const tile = { rows: 4, columns: 4, invocationRows: 2, workgroupSize: 8, unroll: 4 } as const;

  it('does so in its own kernel, on ragged sizes, if the workgroup stages', async () => {
    const size = fc.integer({ min: 1, max: 40 });
    const fours = size.map((quads) => 4 * quads);
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.record({ m: size, n: size, k: size }), fc.record({ m: fours, n: fours, k: fours })),
        fc.record({ transposeA: fc.boolean(), transposeB: fc.boolean(), bias: fc.boolean() }),
        async (sizes, flags) => {
          const { error, dispatches } = await outcome(gpu, { ...sizes, ...flags, tile, share: 'workgroup' });
          expect(error).toBeLessThan(1e-5);
          expect(dispatches).toEqual(['p']);
        },
      ),
      { numRuns: 10, seed: 5 },
    );
  });

  it.each([
    [{ m: 12, n: 20, k: 64 }, ['p', 'p/sum']],
    [{ m: 9, n: 7, k: 50, bias: true }, ['p', 'p/sum']],
  ])('does so while it adds up the parts of split-K: %j', async (sizes, labels) => {
    const { error, dispatches } = await outcome(gpu, { ...sizes, splitK: 3, tile, share: 'workgroup' });
    expect(error).toBeLessThan(1e-5);
    expect(dispatches).toEqual(labels);
  });

  it('does so slice by slice if tensors are larger than a binding', async () => {
    const narrow = await open({ bindingBytes: 64 * 1024 });
    const { error, dispatches } = await outcome(narrow, {
      ...{ m: 300, n: 96, k: 8, transposeB: true },
      tile,
      share: 'workgroup',
    });
    expect(error).toBeLessThan(1e-5);
    expect(dispatches).toEqual(['p', 'p/2', 'p/3']);
  });

  it.each(['none', 'subgroup'] as const)(
    'does so afterwards if a kernel may keep its last rows twice: %s',
    async (share) => {
      if (share === 'subgroup' && gpu.subgroupSize === undefined) return;
      const own = { rows: 8, columns: 4, workgroupSize: gpu.subgroupSize ?? 8, unroll: 4 };
      const { error, dispatches } = await outcome(gpu, { m: 13, n: 20, k: 9, share, tile: own });
      expect(error).toBeLessThan(1e-5);
      expect(dispatches).toEqual(['p', 'sgd']);
    },
  );

  it('does so afterwards on a software driver', async () => {
    const { error, dispatches } = await outcome(await open({}, 'software'), { m: 13, n: 20, k: 9 });
    expect(error).toBeLessThan(1e-5);
    expect(dispatches).toEqual(['p', 'sgd']);
  });

  it('changes nothing if the update says so', async () => {
    const { error } = await outcome(gpu, { m: 12, n: 20, k: 8, tile, share: 'workgroup' }, 0);
    expect(error).toBe(0);
  });

  it('with matrix units as well, if the adapter has them', async (context) => {
    const { subgroupMatrix: matrix, subgroupSize = 1 } = gpu;
    if (!matrix) return context.skip('no matrix units');
    for (const [across, subgroups] of [
      [1, 1],
      [4, 2],
    ] as const) {
      const own = {
        rows: matrix.rows,
        columns: across * matrix.columns,
        invocationRows: subgroups,
        workgroupSize: subgroups * subgroupSize,
        unroll: 16,
      };
      const sizes = { m: 3 * matrix.rows - 1, n: 44, k: 20, transposeB: true };
      const { error, dispatches } = await outcome(gpu, { ...sizes, share: 'matrix', tile: own });
      // Its operands are rounded to f16.
      expect(error).toBeLessThan(2e-3);
      expect(dispatches).toEqual(['p']);
    }
  });
});
