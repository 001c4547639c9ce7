import {
  ConfigError,
  createProgram,
  createTensor,
  disposeTensor,
  type LearnedParameter,
  readTensor,
  writeTensor,
} from '@alex/tensor';
import { randomTensor, relativeError, testGpu } from '@alex/tensor/testing';
import { describe, expect, it } from 'vitest';
import { type AdamOptions, adam } from './adam.js';
import { resolveRate } from './patterns.js';
import { sgd } from './sgd.js';

const elements = 7;
const parameterOf = (path: string, name: string, decays = true): LearnedParameter => ({
  path,
  name,
  shape: [elements],
  initial: { distribution: 'constant', value: 0 },
  decays,
});
const start = randomTensor([elements], 1).data;
const gradients = [2, 3, 4].map((seed) => randomTensor([elements], seed).data);

/** PyTorch's torch.optim.Adam, for single values in float64. */
function expected(options: Required<Omit<AdamOptions, 'overrides'>>, decays: boolean): Float64Array {
  const { learningRate, beta1, beta2, epsilon, weightDecay } = options;
  return Float64Array.from(start, (first, i) => {
    let [w, m, v] = [first, 0, 0];
    for (const [index, gradient] of gradients.entries()) {
      const t = index + 1;
      const g = gradient[i]! + (decays ? weightDecay * w : 0);
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * g * g;
      w -= (learningRate / (1 - beta1 ** t)) * (m / (Math.sqrt(v) / Math.sqrt(1 - beta2 ** t) + epsilon));
    }
    return w;
  });
}

/** The parameter after the steps; `factor` scales gradients and loss, as mixed precision does. */
async function actual(options: AdamOptions, decays: boolean, factor?: number): Promise<Float32Array> {
  const gpu = await testGpu();
  const description = parameterOf('fc.weight', 'weight', decays);
  const [parameter, gradient, m, v] = ['w', 'g', 'm', 'v'].map((label) => createTensor(gpu, label, [elements]));
  const gradientFactor = createTensor(gpu, 'factor', [1]);
  const optimizer = adam(options);
  const program = createProgram(gpu, (recorder) =>
    optimizer.record(recorder, {
      description,
      parameter: parameter!,
      gradient: gradient!,
      state: { m: m!, v: v! },
      ...(factor !== undefined && { gradientFactor }),
    }),
  );
  writeTensor(gpu, parameter!, start);
  writeTensor(gpu, gradientFactor, Float32Array.of(factor ?? 1));
  for (const [step, values] of gradients.entries()) {
    writeTensor(
      gpu,
      gradient!,
      values.map((value) => value / (factor || 1)),
    );
    await program.run(optimizer.scalars(optimizer.learningRate, [description], {}, step));
  }
  const result = (await readTensor(gpu, parameter!)) as Float32Array;
  program.dispose();
  for (const tensor of [parameter!, gradient!, m!, v!, gradientFactor]) disposeTensor(gpu, tensor);
  return result;
}

describe('adam', () => {
  const given = { learningRate: 0.02, beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weightDecay: 0.1 };

  it.each([true, false])('is the formula of PyTorch; weights decay and biases do not (%s)', async (decays) => {
    expect(relativeError(await actual(given, decays), expected(given, decays))).toBeLessThan(1e-6);
  });

  it('has the usual defaults', async () => {
    const usual = { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
    expect(relativeError(await actual({}, true), expected(usual, true))).toBeLessThan(1e-6);
  });

  it('undoes a loss scale, and changes nothing in a skipped step', async () => {
    expect(relativeError(await actual(given, true, 1 / 1024), expected(given, true))).toBeLessThan(1e-6);
    expect(await actual(given, true, 0)).toEqual(start);
  });

  it.each<[string, object]>([
    ["unknown option 'learningrate'", { learningrate: 1 }],
    ['beta1 must be below 1', { beta1: 1 }],
    ['beta2 must be a number of at least 0', { beta2: -1 }],
    ['epsilon must be a number of at least 0', { epsilon: Number.NaN }],
    ["unknown field 'momentum' of override 'fc'", { overrides: { fc: { momentum: 1 } } }],
  ])('refuses: %s', (message, options) => {
    expect(() => adam(options)).toThrow(ConfigError);
    expect(() => adam(options)).toThrow(message);
  });
});

describe('resolveRate', () => {
  it('uses the most specific of name, layer and kind', () => {
    const parameter = parameterOf('conv1.weight', 'weight');
    const rates = { '*.weight': 1, conv1: 2, 'conv1.weight': 3 };
    expect(resolveRate(parameter, 9, rates)).toBe(3);
    expect(resolveRate(parameter, 9, { '*.weight': 1, conv1: 0 })).toBe(0);
    expect(resolveRate(parameter, 9, { '*.weight': 1, conv2: 2 })).toBe(1);
    expect(resolveRate(parameter, 9, { '*.bias': 1 })).toBe(9);
  });

  it('knows the kind of a parameter whose own name has dots, in overrides too', () => {
    const parameter = parameterOf('res.k.weight', 'k.weight');
    expect(resolveRate(parameter, 9, { '*.weight': 1 })).toBe(1);
    expect(resolveRate(parameter, 9, { '*.weight': 1, '*.k.weight': 2 })).toBe(2);
    const rateBy = (optimizer: ReturnType<typeof sgd>) => Object.values(optimizer.scalars(1, [parameter]));
    expect(rateBy(sgd({ overrides: { '*.weight': { learningRateScale: 0.5 } } }))).toEqual([0.5]);
    const both = { '*.k.weight': { learningRateScale: 0.25 }, '*.weight': { learningRateScale: 0.5 } };
    expect(rateBy(sgd({ overrides: both }))).toEqual([0.25]);
  });
});
