import { createProgram, createTensor, disposeTensor, type Layer, type LayerOptions, type Tensor } from '@alex/tensor';
import { describeLayer, randomTensor, relativeError, runLayer, testGpu } from '@alex/tensor/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../../../leaks.base.js';
import { absTanh, identity, logistic, relu, tanh } from './activations.js';

const gpu = await testGpu();
expectNoLeaks(gpu);

interface Case {
  readonly make: (options?: LayerOptions) => Layer;
  /** In float64. */
  readonly value: (x: number) => number;
  readonly derivative: (x: number) => number;
}

const logisticOf = (x: number) => 1 / (1 + Math.exp(-x));
const cases: Record<string, Case> = {
  relu: { make: relu, value: (x) => Math.max(0, x), derivative: (x) => (x > 0 ? 1 : 0) },
  tanh: { make: tanh, value: Math.tanh, derivative: (x) => 1 / Math.cosh(x) ** 2 },
  logistic: { make: logistic, value: logisticOf, derivative: (x) => logisticOf(x) * logisticOf(-x) },
  absTanh: {
    make: absTanh,
    value: (x) => Math.abs(Math.tanh(x)),
    derivative: (x) => Math.sign(x) / Math.cosh(x) ** 2,
  },
  identity: { make: identity, value: (x) => x, derivative: () => 1 },
};
const names = Object.keys(cases);

/** Compares each value relative to its own size, down to sizes that float32 rounds to 0. */
function worstRelativeError(got: ArrayLike<number>, want: readonly number[]): number {
  return want.reduce(
    (worst, value, i) => Math.max(worst, Math.abs(got[i]! - value) / Math.max(Math.abs(value), 1e-30)),
    0,
  );
}

async function apply(name: string, values: readonly number[]): Promise<number[]> {
  const input = { shape: [1, values.length], data: Float32Array.from(values) };
  const { output } = await runLayer(gpu, cases[name]!.make(), { input });
  return [...output.data];
}

for (const [name, { make, value, derivative }] of Object.entries(cases)) {
  describeLayer(
    () => make(),
    [
      { options: {}, input: [3, 4, 5, 3], columns: { count: 2, from: 'own' } },
      { options: {}, input: [4, 6] },
    ],
    {
      describe: (title, tests) => describe(`${name}: ${title}`, tests),
      it,
      reference: ({ input, outputGradient }) => ({
        output: Float64Array.from(input.data, value),
        inputGradient: Float64Array.from(input.data, (x, i) => outputGradient.data[i]! * derivative(x)),
      }),
    },
  );
}

describe('activations', () => {
  it('agree with float64 on activations of any shape, forward and backward', async () => {
    const shapes = fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70 })),
      fc.tuple(...[5, 7, 6, 5].map((max) => fc.integer({ min: 1, max }))),
    );
    await fc.assert(
      fc.asyncProperty(shapes, fc.constantFrom(0.01, 1, 10), fc.nat(), async (shape, scale, seed) => {
        const input = randomTensor(shape, seed, scale);
        const outputGradient = randomTensor(shape, seed + 1);
        for (const name of names) {
          const { make, value, derivative } = cases[name]!;
          const result = await runLayer(gpu, make(), { input, outputGradient });
          const wantedGradient = Array.from(input.data, (x, i) => outputGradient.data[i]! * derivative(x));
          expect(result.output.shape, name).toEqual(shape);
          expect(worstRelativeError(result.output.data, Array.from(input.data, value)), name).toBeLessThan(1e-5);
          expect(relativeError(result.inputGradient!.data, wantedGradient), name).toBeLessThan(1e-5);
        }
      }),
      { numRuns: 20, seed: 2012 },
    );
  });

  it.each(names)('%s is exact to 1e-5 from the smallest to the largest values', async (name) => {
    const sizes = [1e-20, 1e-6, 1e-3, 0.1, 0.5, 0.999, 1, 1.001, 3, 5, 8, 9, 10, 11, 20, 50, 80, 100, 1e4, 1e20, 3e38];
    const values = [...sizes, ...sizes.map((size) => -size)].map(Math.fround);
    expect(worstRelativeError(await apply(name, values), values.map(cases[name]!.value))).toBeLessThan(1e-5);
  });

  it.each([
    ['relu', [0, 0, 0, Infinity]],
    ['tanh', [0, 0, -1, 1]],
    ['logistic', [0.5, 0.5, 0, 1]],
    ['absTanh', [0, 0, 1, 1]],
    ['identity', [0, 0, -Infinity, Infinity]],
  ])('%s returns its limits for infinities, and NaN for NaN', async (name, wanted) => {
    const values = await apply(name, [0, -0, -Infinity, Infinity, NaN, 1]);
    expect(values.slice(0, 4).map((value) => value + 0)).toEqual(wanted);
    expect(values[4]).toBeNaN();
    expect(values[5]).toBeCloseTo(cases[name]!.value(1), 6);
  });

  it('passes no gradient at an input of exactly 0 through relu and absTanh', async () => {
    const input = { shape: [1, 4], data: Float32Array.of(0, -0, 1e-30, -1e-30) };
    const outputGradient = { shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) };
    const gradient = async (layer: Layer) => {
      const { inputGradient } = await runLayer(gpu, layer, { input, outputGradient });
      return [...inputGradient!.data];
    };
    expect(await gradient(relu())).toEqual([0, 0, 3, 0]);
    expect(await gradient(absTanh())).toEqual([0, 0, 3, -4]);
  });

  it('blocks infinite and NaN gradients where relu is inactive', async () => {
    const input = { shape: [1, 3], data: Float32Array.of(-1, 0, 2) };
    const outputGradient = { shape: [1, 3], data: Float32Array.of(NaN, Infinity, 5) };
    const { inputGradient } = await runLayer(gpu, relu(), { input, outputGradient });
    expect([...inputGradient!.data]).toEqual([0, 0, 5]);
  });

  it.each(names)('%s is named after its kind or by its option, and treats every column the same', (name) => {
    const { make } = cases[name]!;
    expect([make().kind, make().name, make({ name: 'other' }).name]).toEqual([name, name, 'other']);
    const layer = make();
    expect(layer.column({ index: 1, count: 2 })).toBe(layer);
    expect(layer.parameters([1, 2])).toEqual([]);
    expect(layer.multiplyAdds([1, 2])).toBe(0);
    expect(layer.outputShape([3, 4, 5, 6])).toEqual([3, 4, 5, 6]);
  });

  it.each([
    ['relu', 1],
    ['tanh', 1],
    ['logistic', 1],
    ['identity', 1],
    // It needs the sign of its input.
    ['absTanh', 2],
  ])('%s keeps only the tensors that it needs: %i', (name, tensors) => {
    const shape = [8, 8];
    const made = ['source', 'result'].map((label) => createTensor(gpu, label, shape));
    const [source, result] = made as [Tensor, Tensor];
    const program = createProgram(gpu, (recorder) => {
      const copy = (from: Tensor, to: Tensor) =>
        recorder.dispatch({
          label: 'copy',
          reads: { from },
          writes: { to },
          workgroups: [1],
          wgsl: `
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) i: u32) { store_to(i, load_from(i)); }`,
        });
      const input = recorder.tensor('input', shape);
      copy(source, input);
      const layer = cases[name]!.make();
      const forward = layer.forward(recorder, { input, parameters: {}, training: true });
      const { inputGradient } = layer.backward(recorder, {
        ...forward,
        input,
        parameters: {},
        outputGradient: source,
        needsInputGradient: true,
      });
      copy(forward.output, result);
      copy(inputGradient!, result);
    });
    // The gradient has its own tensor, except that the gradient of identity is that of its output.
    expect(program.plannedBytes).toBe((tensors + (name === 'identity' ? 0 : 1)) * 8 * 8 * 4);
    program.dispose();
    for (const tensor of made) disposeTensor(gpu, tensor);
  });

  it('records nothing backward where nothing below learns', () => {
    for (const name of names) {
      let dispatches = 0;
      const input = createTensor(gpu, 'input', [1, 1]);
      const program = createProgram(gpu, (recorder) => {
        const counted = {
          ...recorder,
          dispatch: () => {
            dispatches++;
          },
        };
        const backward = cases[name]!.make().backward(counted, {
          input,
          output: input,
          parameters: {},
          outputGradient: input,
          needsInputGradient: false,
        });
        expect(backward).toEqual({});
      });
      expect(dispatches, name).toBe(0);
      program.dispose();
      disposeTensor(gpu, input);
    }
  });
});
