import { ConfigError, type Gpu, type HostTensor, type Layer, openGpu, type Shape, ShapeError } from '@alex/tensor';
import { describeLayer, randomTensor, relativeError, runLayer } from '@alex/tensor/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dense } from './dense.js';

/** Forward and backward in float64, from the definition. */
function expected(
  sizes: { batch: number; inputs: number; units: number },
  values: { input: Float32Array; weight: Float32Array; bias?: Float32Array | undefined; outputGradient: Float32Array },
) {
  const { batch, inputs, units } = sizes;
  const output = new Float64Array(batch * units);
  const inputGradient = new Float64Array(batch * inputs);
  const weight = new Float64Array(units * inputs);
  const bias = new Float64Array(units);
  for (let n = 0; n < batch; n++) {
    for (let u = 0; u < units; u++) {
      const gradient = values.outputGradient[n * units + u]!;
      let sum = values.bias?.[u] ?? 0;
      for (let i = 0; i < inputs; i++) {
        sum += values.weight[u * inputs + i]! * values.input[n * inputs + i]!;
        inputGradient[n * inputs + i]! += values.weight[u * inputs + i]! * gradient;
        weight[u * inputs + i]! += values.input[n * inputs + i]! * gradient;
      }
      output[n * units + u] = sum;
      bias[u]! += gradient;
    }
  }
  return { output, inputGradient, weight, bias };
}

describeLayer(
  dense,
  [
    { options: { units: 7 }, input: [5, 13] },
    { options: { units: 6, bias: false }, input: [4, 3, 2, 3], columns: { count: 2, from: 'all' } },
    { options: { units: 12 }, input: [8, 9], columns: { count: 3, from: 'all' } },
  ],
  {
    describe,
    it,
    reference: ({ options: { units }, input, parameters, outputGradient }) => {
      const [batch, ...features] = input.shape;
      const inputs = features.reduce((product, size) => product * size, 1);
      const { output, inputGradient, weight, bias } = expected(
        { batch: batch!, inputs, units },
        {
          input: input.data,
          weight: parameters['weight']!.data,
          bias: parameters['bias']?.data,
          outputGradient: outputGradient.data,
        },
      );
      return { output, inputGradient, parameterGradients: { weight, ...(parameters['bias'] && { bias }) } };
    },
  },
);

async function expectAgreement(gpu: Gpu, layer: Layer, inputShape: Shape) {
  const [weightShape, biasShape] = layer.parameters(inputShape).map((parameter) => parameter.shape);
  const input = randomTensor(inputShape, 1);
  const weight = randomTensor(weightShape!, 2);
  const bias = biasShape && randomTensor(biasShape, 3);
  const outputGradient = randomTensor(layer.outputShape(inputShape), 4);
  const parameters: Record<string, HostTensor> = bias ? { weight, bias } : { weight };
  const got = await runLayer(gpu, layer, { input, parameters, outputGradient });
  const [units, inputs] = weightShape!;
  const want = expected(
    { batch: inputShape[0]!, inputs: inputs!, units: units! },
    { input: input.data, weight: weight.data, bias: bias?.data, outputGradient: outputGradient.data },
  );
  const text = `${inputShape.join(' x ')} to ${units}`;
  expect(relativeError(got.output.data, want.output), `output of ${text}`).toBeLessThan(1e-5);
  expect(got.inputGradient!.shape).toEqual(inputShape);
  expect(relativeError(got.inputGradient!.data, want.inputGradient), `input gradient of ${text}`).toBeLessThan(1e-4);
  const gradients = got.parameterGradients!;
  expect(relativeError(gradients['weight']!.data, want.weight), `weight gradient of ${text}`).toBeLessThan(1e-4);
  if (bias) expect(relativeError(gradients['bias']!.data, want.bias), `bias gradient of ${text}`).toBeLessThan(1e-4);
  else expect(Object.keys(gradients)).toEqual(['weight']);
}

describe.each([
  ['with subgroups if the adapter has them', {}, 8],
  ['without subgroups', { subgroups: false }, 4],
  ['with weights split over bindings', { bindingBytes: 32_768 }, 3],
])('dense %s', (_, options, randomShapes) => {
  let gpu: Gpu;
  beforeAll(async () => {
    const adapter = process.env['ALEX_ADAPTER'];
    gpu = await openGpu({ ...options, ...(adapter ? { adapter } : {}) });
  });
  afterAll(() => {
    const left = gpu.liveBuffers;
    gpu.dispose();
    expect(left).toBe(0);
  });

  it('agrees with float64 loops on random ragged shapes', async () => {
    const shape = fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 40 })),
      fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    );
    const batch = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 35 }));
    await fc.assert(
      fc.asyncProperty(batch, shape, fc.integer({ min: 1, max: 50 }), fc.boolean(), async (n, image, units, bias) => {
        await expectAgreement(gpu, dense({ units, bias }), [n, ...image]);
      }),
      { numRuns: randomShapes, seed: 2012 },
    );
  });

  it('agrees on the last layer of a small network, in which few units read many values', async () => {
    await expectAgreement(gpu, dense({ units: 10 }), [4, 64, 6, 6]);
  });

  it('has gradients that match central differences', async () => {
    const layer = dense({ units: 3 });
    const input = randomTensor([2, 2, 1, 2], 5);
    const weight = randomTensor([3, 4], 6);
    const bias = randomTensor([3], 7);
    const outputGradient = randomTensor([2, 3], 8);
    const result = await runLayer(gpu, layer, { input, parameters: { weight, bias }, outputGradient });
    const run = async (changed: Record<string, HostTensor>) => {
      const values: Record<string, HostTensor> = { input, weight, bias, ...changed };
      const { output } = await runLayer(gpu, layer, {
        input: values['input']!,
        parameters: { weight: values['weight']!, bias: values['bias']! },
      });
      return output.data.reduce((sum, value, i) => sum + value * outputGradient.data[i]!, 0);
    };
    const checks = [
      ['input', input, result.inputGradient!],
      ['weight', weight, result.parameterGradients!['weight']!],
      ['bias', bias, result.parameterGradients!['bias']!],
    ] as const;
    for (const [name, values, gradient] of checks) {
      for (let at = 0; at < values.data.length; at++) {
        // The layer is linear in each, so a long step only loses accuracy to rounding.
        const moved = (by: number) => {
          const data = values.data.slice();
          data[at]! += by;
          return { [name]: { shape: values.shape, data } };
        };
        const difference = ((await run(moved(1))) - (await run(moved(-1)))) / 2;
        expect(gradient.data[at], `${name}[${at}]`).toBeCloseTo(difference, 3);
      }
    }
  });

  it('gives sums that can be computed by hand, and reads an image in the order C, H, W', async () => {
    const { output } = await runLayer(gpu, dense({ units: 2 }), {
      input: { shape: [1, 2, 1, 2], data: new Float32Array([1, 2, 3, 4]) },
      parameters: {
        weight: { shape: [2, 4], data: new Float32Array([1, 10, 100, 1000, 0, 0, 0, 1]) },
        bias: { shape: [2], data: new Float32Array([0.5, -4]) },
      },
    });
    expect(output).toEqual({ shape: [1, 2], data: new Float32Array([4321.5, 0]) });
  });
});

describe('the description of a dense layer', () => {
  it('names shapes, parameters and multiply-adds of fc6 of the paper', () => {
    const layer = dense({ name: 'fc6', units: 4096, initial: { bias: 1 } });
    expect(layer.outputShape([128, 256, 6, 6])).toEqual([128, 4096]);
    expect(layer.multiplyAdds([128, 256, 6, 6])).toBe(37_748_736);
    expect(layer.parameters([128, 256, 6, 6])).toEqual([
      {
        name: 'weight',
        shape: [4096, 9216],
        initial: { distribution: 'normal', standardDeviation: 0.01 },
        decays: true,
      },
      { name: 'bias', shape: [4096], initial: { distribution: 'constant', value: 1 }, decays: false },
    ]);
    expect(dense({ units: 1, bias: false }).parameters([1, 1])).toHaveLength(1);
  });

  it('gives a column its share of the units', () => {
    expect(dense({ units: 4096 }).column({ index: 0, count: 2 }).outputShape([1, 9])).toEqual([1, 2048]);
    expect(() => dense({ name: 'fc', units: 9 }).column({ index: 0, count: 2 })).toThrow(/fc: 9 units/);
  });

  it.each([
    [{ units: 0 }, /units must be a whole number of at least 1, got 0/],
    [{ units: 2.5 }, /units/],
    [{ units: Number.NaN }, /units/],
    [{ units: 2, initial: { weightDeviation: Number.NaN } }, /weightDeviation/],
    [{ units: 2, initial: { bias: Infinity } }, /initial\.bias/],
  ])('refuses %j', (options, message) => {
    expect(() => dense({ name: 'fc9', ...options })).toThrow(ConfigError);
    expect(() => dense({ name: 'fc9', ...options })).toThrow(message);
    expect(() => dense({ name: 'fc9', ...options })).toThrow(/^fc9: /);
  });

  it('refuses inputs without images or values', () => {
    expect(() => dense({ name: 'fc9', units: 2 }).outputShape([4])).toThrow(ShapeError);
    expect(() => dense({ name: 'fc9', units: 2 }).outputShape([4, 0])).toThrow(/fc9/);
  });
});

it('says with which options it was made, the defaults filled in', () => {
  const layer = dense({ name: 'fc6', units: 8, initial: { bias: 1 } });
  expect(layer.options).toEqual({ units: 8, bias: true });
  expect(layer.column({ index: 1, count: 2 }).options).toEqual({ units: 4, bias: true });
});
