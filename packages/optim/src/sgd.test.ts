import {
  ConfigError,
  createProgram,
  createTensor,
  disposeTensor,
  type LearnedParameter,
  type Optimizer,
  readTensor,
  type Tensor,
  writeTensor,
} from '@alex/tensor';
import { randomTensor, relativeError, testGpu } from '@alex/tensor/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../../../leaks.base.js';
import { type SgdOptions, sgd } from './sgd.js';

/** The distance from 1 to the next value of float32. */
const ulp = 2 ** -23;

const gpu = await testGpu();
expectNoLeaks(gpu);

/** A parameter of a network; as in layers, a weight decays and a bias does not. */
function parameter(path: string, shape: readonly number[] = [1]): LearnedParameter {
  const name = path.slice(path.lastIndexOf('.') + 1);
  return { path, name, shape, initial: { distribution: 'constant', value: 0 }, decays: name === 'weight' };
}

interface State {
  readonly parameter: Float32Array;
  readonly velocity: Float32Array;
}

/** All parameters take their own steps; returns the state of each after each step. */
async function follow(
  optimizer: Optimizer,
  parameters: readonly {
    readonly description: LearnedParameter;
    readonly start: Float32Array;
    /** One per step. */
    readonly gradients: readonly Float32Array[];
  }[],
  rates: readonly number[] = parameters[0]!.gradients.map(() => optimizer.learningRate),
  factor?: number,
): Promise<State[][]> {
  const made: Tensor[] = [];
  const make = (label: string, description: LearnedParameter) => {
    const tensor = createTensor(gpu, label, description.shape);
    made.push(tensor);
    return tensor;
  };
  const tensors = parameters.map(({ description, start }) => {
    const value = make('parameter', description);
    writeTensor(gpu, value, start);
    return { value, gradient: make('gradient', description), velocity: make('velocity', description) };
  });
  const gradientFactor = createTensor(gpu, 'factor', [1]);
  made.push(gradientFactor);
  writeTensor(gpu, gradientFactor, Float32Array.of(factor ?? 1));
  const program = createProgram(gpu, (recorder) => {
    parameters.forEach(({ description }, index) => {
      const { value, gradient, velocity } = tensors[index]!;
      optimizer.record(recorder, {
        description,
        parameter: value,
        gradient,
        state: { velocity },
        ...(factor !== undefined && { gradientFactor }),
      });
    });
  });
  const states: State[][] = parameters.map(() => []);
  for (const [step, rate] of rates.entries()) {
    parameters.forEach(({ gradients }, index) => {
      writeTensor(gpu, tensors[index]!.gradient, gradients[step]!);
    });
    await program.run(
      optimizer.scalars(
        rate,
        parameters.map(({ description }) => description),
      ),
    );
    for (const [index, { value, velocity }] of tensors.entries()) {
      states[index]!.push({
        parameter: (await readTensor(gpu, value)) as Float32Array,
        velocity: (await readTensor(gpu, velocity)) as Float32Array,
      });
    }
  }
  program.dispose();
  for (const tensor of made) disposeTensor(gpu, tensor);
  return states;
}

/** One number under a constant gradient: its `[velocity, value]` after each step. */
async function followOne(options: SgdOptions, path: string, start: number, gradient: number, rates: readonly number[]) {
  const [states] = await follow(
    sgd(options),
    [
      {
        description: parameter(path),
        start: Float32Array.of(start),
        gradients: rates.map(() => Float32Array.of(gradient)),
      },
    ],
    rates,
  );
  return states!.map(({ parameter, velocity }) => [velocity[0]!, parameter[0]!] as const);
}

describe('sgd', () => {
  it.each([3, 8])('multiplies gradients by a factor; 0 changes nothing (%i elements)', async (elements) => {
    const description = parameter('conv1.weight', [elements]);
    const start = randomTensor([elements], 1).data;
    const gradient = randomTensor([elements], 2).data;
    const after = async (gradients: Float32Array[], factor?: number) =>
      (await follow(sgd(), [{ description, start, gradients }], undefined, factor))[0]!;
    const quarter = gradient.map((value) => value / 4);
    const [got, want] = [await after([gradient, gradient], 0.25), await after([quarter, quarter])];
    got.forEach(({ parameter, velocity }, step) => {
      // Not the same bits: drivers may round a product and a sum at once, and not in both kernels alike.
      expect(relativeError(parameter, want[step]!.parameter)).toBeLessThan(4 * ulp);
      expect(relativeError(velocity, want[step]!.velocity)).toBeLessThan(4 * ulp);
    });
    const broken = gradient.map((value, index) => [Infinity, Number.NaN, value][index % 3]!);
    expect(await after([broken], 0)).toEqual([{ parameter: start, velocity: new Float32Array(elements) }]);
  });

  it("reproduces worked steps of the paper's rule", async () => {
    // By hand: w0 = 1, constant gradient 0.5, rate 0.01, weight decay 0.0005, momentum 0.9.
    const worked = [
      [-0.005005, 0.994995],
      [-0.009509474975, 0.985485525025],
      [-0.013563454905125, 0.971922070119875],
    ] as const;
    const states = await followOne({}, 'conv1.weight', 1, 0.5, [0.01, 0.01, 0.01]);
    states.forEach(([velocity, value], step) => {
      const [wantedVelocity, wantedValue] = worked[step]!;
      expect(Math.abs(velocity / wantedVelocity - 1)).toBeLessThan(2 * ulp);
      expect(Math.abs(value / wantedValue - 1)).toBeLessThan(ulp);
    });
  });

  it('follows float64 over 50 steps, for parameters of any shape and any options', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(0, 0.5, 0.9, 0.99),
        fc.constantFrom(0, 0.0005, 0.1),
        fc.constantFrom(0.001, 0.01, 0.1),
        fc.boolean(),
        fc.nat(),
        async (shape, momentum, weightDecay, learningRate, isWeight, seed) => {
          const description = parameter(isWeight ? 'layer.weight' : 'layer.bias', shape);
          const start = randomTensor(shape, seed).data;
          const gradients = Array.from({ length: 50 }, (_, step) => randomTensor(shape, seed + 1 + step).data);
          const w = Float64Array.from(start);
          const v = new Float64Array(w.length);
          for (const gradient of gradients) {
            for (let i = 0; i < w.length; i++) {
              v[i] =
                momentum * v[i]! - (isWeight ? weightDecay : 0) * learningRate * w[i]! - learningRate * gradient[i]!;
              w[i]! += v[i]!;
            }
          }
          const optimizer = sgd({ learningRate, momentum, weightDecay });
          const [states] = await follow(optimizer, [{ description, start, gradients }]);
          expect(relativeError(states!.at(-1)!.parameter, w)).toBeLessThan(1e-5);
          expect(relativeError(states!.at(-1)!.velocity, v)).toBeLessThan(1e-5);
        },
      ),
      { numRuns: 20, seed: 2012 },
    );
  });

  it('gives the same bits twice', async () => {
    const shape = [1000];
    const run = () =>
      follow(sgd(), [
        {
          description: parameter('a.weight', shape),
          start: randomTensor(shape, 1).data,
          gradients: [2, 3, 4].map((seed) => randomTensor(shape, seed).data),
        },
      ]);
    expect(await run()).toEqual(await run());
  });

  it('has the defaults of the paper', async () => {
    expect(sgd().learningRate).toBe(0.01);
    const rates = [0.01, 0.01];
    const explicit = { learningRate: 0.01, momentum: 0.9, weightDecay: 0.0005 };
    expect(await followOne({}, 'a.weight', 1, 1, rates)).toEqual(await followOne(explicit, 'a.weight', 1, 1, rates));
  });

  it('keeps the rate inside the velocity', async () => {
    const [, [velocity]] = (await followOne({ weightDecay: 0 }, 'a.bias', 0, 1, [1, 0.1])) as [
      unknown,
      [number, number],
    ];
    expect(velocity).toBeCloseTo(-0.9 - 0.1, 6);
  });

  it('keeps a parameter exactly at rate 0, except for remaining momentum', async () => {
    expect(await followOne({}, 'a.weight', 0.3, 123, [0, 0])).toEqual([
      [0, Math.fround(0.3)],
      [0, Math.fround(0.3)],
    ]);
    const states = await followOne({ weightDecay: 0, momentum: 0.5 }, 'a.weight', 0, -1, [1, 0, 0]);
    expect(states).toEqual([
      [1, 1],
      [0.5, 1.5],
      [0.25, 1.75],
    ]);
  });

  it('decays weights and not biases, except by the name of the bias', async () => {
    const velocity = async (options: SgdOptions, path: string) =>
      (await followOne({ momentum: 0, ...options }, path, 1, 0, [1]))[0]![0] + 0; // no -0
    expect(await velocity({ weightDecay: 0.25 }, 'a.weight')).toBe(-0.25);
    expect(await velocity({ weightDecay: 0.25 }, 'a.bias')).toBe(0);
    expect(await velocity({ weightDecay: 0.25, overrides: { a: { weightDecay: 0.5 } } }, 'a.weight')).toBe(-0.5);
    expect(await velocity({ weightDecay: 0.25, overrides: { a: { weightDecay: 0.5 } } }, 'a.bias')).toBe(0);
    expect(await velocity({ overrides: { 'a.bias': { weightDecay: 0.5 } } }, 'a.bias')).toBe(-0.5);
    expect(await velocity({ overrides: { '*.bias': { weightDecay: 0.5 } } }, 'a.bias')).toBe(-0.5);
  });

  it('overrides by kind, layer and name, the most specific first', async () => {
    const overrides = {
      '*.weight': { learningRateScale: 2, momentum: 0.5 },
      conv1: { learningRateScale: 3 },
      'conv1.bias': { learningRateScale: 4, weightDecay: 1 },
    };
    const paths = ['conv1.weight', 'conv1.bias', 'conv2.weight', 'conv2.bias'];
    const states = await follow(
      sgd({ learningRate: 1, momentum: 0, weightDecay: 0, overrides }),
      paths.map((path) => ({
        description: parameter(path),
        start: Float32Array.of(0),
        gradients: [Float32Array.of(1), Float32Array.of(0)],
      })),
    );
    const velocities = states.map((steps) => steps.map(({ velocity }) => velocity[0]! + 0)); // no -0
    expect(velocities).toEqual([
      [-3, -1.5],
      [-4, 16],
      [-2, -1],
      [-1, 0],
    ]);
  });

  it('gives each parameter its own rate, whatever characters are in its name', async () => {
    const paths = ['a.b.weight', 'a_b.weight', 'a-b.weight', '1. Schicht ä.weight', 'a_2e_b.weight'];
    const overrides = Object.fromEntries(paths.map((path, index) => [path, { learningRateScale: index + 1 }]));
    const states = await follow(
      sgd({ learningRate: 1, momentum: 0, weightDecay: 0, overrides }),
      paths.map((path) => ({
        description: parameter(path),
        start: Float32Array.of(0),
        gradients: [Float32Array.of(-1)],
      })),
    );
    expect(states.map(([state]) => state!.parameter[0])).toEqual([1, 2, 3, 4, 5]);
  });

  it('accepts rates per step for some parameters, the most specific first, times their scale', () => {
    const parameters = ['conv1.weight', 'conv1.bias', 'conv2.weight', 'conv2.bias'].map((path) => parameter(path));
    const optimizer = sgd({ overrides: { '*.bias': { learningRateScale: 2 } } });
    const rates = optimizer.scalars(1, parameters, { '*.bias': 5, conv1: 3, 'conv1.weight': 0 });
    expect(Object.values(rates)).toEqual([0, 6, 1, 10]);
    expect(() => optimizer.scalars(1, parameters, { conv3: 1 })).toThrow(/'conv3' matches no parameter/);
    expect(() => optimizer.scalars(1, parameters, { conv1: -1 })).toThrow(ConfigError);
  });

  it('refuses an override that matches nothing, and lists what exists', () => {
    const scalars = (pattern: string) =>
      sgd({ overrides: { [pattern]: { momentum: 0 } } }).scalars(
        0.01,
        ['conv1.weight', 'conv1.bias'].map((p) => parameter(p)),
      );
    for (const pattern of ['conv2', 'conv2.weight', 'conv', 'bias', '*.gain', 'weight']) {
      expect(() => scalars(pattern)).toThrow(ConfigError);
      expect(() => scalars(pattern)).toThrow(
        `sgd: override '${pattern}' matches no parameter of this network; known: *.bias, *.weight, conv1, conv1.bias, conv1.weight`,
      );
    }
    for (const pattern of ['conv1', 'conv1.bias', '*.weight']) expect(() => scalars(pattern)).not.toThrow();
  });

  it.each([
    ['learningRate', { learningRate: -0.1 }],
    ['learningRate', { learningRate: NaN }],
    ['learningRate', { learningRate: Infinity }],
    ['momentum', { momentum: 1 }],
    ['momentum', { momentum: -0.5 }],
    ['momentum', { momentum: NaN }],
    ['weightDecay', { weightDecay: -1e-9 }],
    ["learningRateScale of override 'a'", { overrides: { a: { learningRateScale: -1 } } }],
    ["momentum of override '*.bias'", { overrides: { '*.bias': { momentum: 2 } } }],
    ["weightDecay of override 'a.b'", { overrides: { 'a.b': { weightDecay: NaN } } }],
  ])('refuses a bad %s at once', (name, options: SgdOptions) => {
    expect(() => sgd(options)).toThrow(ConfigError);
    expect(() => sgd(options)).toThrow(name);
  });

  it('refuses an unknown option', () => {
    expect(() => sgd({ learningrate: 1 } as SgdOptions)).toThrow(ConfigError);
    expect(() => sgd({ learningrate: 1 } as SgdOptions)).toThrow(/unknown option 'learningrate'; known: learningRate,/);
  });

  it('refuses a bad rate of a step, and an unknown field of an override', () => {
    expect(() => sgd().scalars(NaN, [parameter('a.weight')])).toThrow(/learningRate.*got NaN/);
    const overrides = { a: { learningRate: 0.1 } } as SgdOptions['overrides'] & object;
    expect(() => sgd({ overrides })).toThrow(/unknown field 'learningRate' of override 'a'; known: learningRateScale/);
  });
});
