import { absTanh, identity, logistic, relu, tanh } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d, local2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { localResponseNorm } from '@alex/lrn';
import { alexnet, type Variant, variants } from '@alex/model-alexnet';
import { averagePool, maxPool } from '@alex/pool';
import { ConfigError, describeNetwork, type Gpu, type Layer, type NetworkDescription, ShapeError } from '@alex/tensor';
import { testGpu } from '@alex/tensor/testing';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Preprocessing } from '../preprocessing.js';
import { faultsOf } from '../testing/check-model.js';
import { forward } from '../testing/forward.fixture.js';
import { difference, runModel } from '../testing/runtime.js';
import { made, madeParameters } from '../testing/values.js';
import { writeOnnx } from './write-onnx.js';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

/** The largest difference between what the adapter and ONNX Runtime compute of two images. */
async function differenceOf(description: NetworkDescription): Promise<number> {
  const parameters = madeParameters(description);
  const images = made('images', [2, ...description.input]);
  const model = writeOnnx(description, parameters, { softmax: false });
  expect(faultsOf(model)).toEqual([]);
  const own = await forward(gpu, description, parameters, images);
  expect(own.data.some((value) => Math.abs(value) > 0.1)).toBe(true);
  return difference(await runModel(model, images), own);
}

/** Images as small as the networks for ImageNet allow, so that their dense layers are small, too. */
const sizes: Partial<Record<Variant, number>> = { small: 56 };
const sizeOf = ({ name, inputSize }: (typeof variants)[number]) => sizes[name] ?? Math.min(inputSize, 71);

it.each(variants)('$name gives the same in ONNX Runtime', async (variant) => {
  const description = alexnet({ variant: variant.name, inputSize: sizeOf(variant), classes: 7 });
  const found = await differenceOf(description);
  expect(found).toBeLessThan(1e-4);
});

/** A network of one layer that keeps images, then what brings it to `[N, classes]`. */
const around = (layer: Layer, size = 9) =>
  describeNetwork({
    name: layer.name,
    input: [4, size, size - 2],
    layers: [layer, dense({ name: 'fc', units: 5 })],
  });

describe('every layer gives the same in ONNX Runtime', () => {
  const padding = { top: 1, left: 0, bottom: 1, right: 2 };
  it.each<[string, Layer]>([
    ['a convolution', conv2d({ filters: 6, kernel: [3, 2], stride: [2, 1], padding, groups: 2, bias: false })],
    ['a locally connected layer', local2d({ filters: 3, kernel: [3, 2], stride: [1, 2], padding, bias: false })],
    ['a dense layer without bias', dense({ units: 5, bias: false })],
    ['tanh', tanh()],
    ['logistic', logistic()],
    ['absTanh', absTanh()],
    ['identity', identity()],
    ['normalization across maps', localResponseNorm({ size: 3, alpha: 0.7, k: 1.5, beta: 0.5 })],
    ['normalization in groups', localResponseNorm({ size: 3, alpha: 0.7, groups: 2, alphaPerElement: true })],
    ['normalization within maps', localResponseNorm({ size: 4, alpha: 0.7, across: 'space' })],
    ['dropout that is not inverted', dropout({ probability: 0.3 })],
    ['inverted dropout', dropout({ probability: 0.3, inverted: true })],
  ])('%s', async (_, layer) => {
    expect(await differenceOf(around(layer))).toBeLessThan(1e-5);
  });

  const windows = fc.record({
    height: fc.integer({ min: 5, max: 12 }),
    size: fc.tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 2, max: 4 })),
    stride: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
    padding: fc.record({
      top: fc.integer({ min: 0, max: 1 }),
      left: fc.integer({ min: 0, max: 1 }),
      bottom: fc.integer({ min: 0, max: 1 }),
      right: fc.integer({ min: 0, max: 1 }),
    }),
    rounding: fc.constantFrom('floor' as const, 'ceil' as const),
    pool: fc.constantFrom('max' as const, 'average' as const, 'counted' as const),
  });

  it('pooling, whatever its windows', async () => {
    const poolOf = ({ pool, height, ...options }: typeof windows extends fc.Arbitrary<infer Drawn> ? Drawn : never) =>
      pool === 'max' ? maxPool(options) : averagePool({ ...options, countPadding: pool === 'counted' });
    await fc.assert(
      fc.asyncProperty(windows, async (drawn) => {
        expect(await differenceOf(around(poolOf(drawn), drawn.height))).toBeLessThan(1e-5);
      }),
      { numRuns: 30, seed: 16 },
    );
  });
});

it('writes the probabilities of classes, for any number of images', async () => {
  const description = around(relu());
  const model = writeOnnx(description, madeParameters(description));
  for (const count of [1, 3]) {
    const { shape, data } = await runModel(model, made('images', [count, ...description.input]));
    expect(shape).toEqual([count, 5]);
    expect(data.slice(0, 5).reduce((sum, value) => sum + value)).toBeCloseTo(1, 5);
  }
});

describe('the nodes that prepare images', () => {
  const description = describeNetwork({
    name: 'prepared',
    input: [3, 4, 5],
    layers: [identity(), dense({ units: 2 })],
  });
  const parameters = madeParameters(description);
  const pixels = { shape: [1, 3, 8, 7], data: Float32Array.from({ length: 168 }, (_, i) => i) };
  const cropped = (mean: (i: number) => number, scale = 1) => ({
    shape: [1, 3, 4, 5],
    data: Float32Array.from({ length: 60 }, (_, i) => {
      const [channel, row, column] = [Math.floor(i / 20), Math.floor((i % 20) / 5) + 2, (i % 5) + 1];
      const at = channel * 56 + row * 7 + column;
      return (at - mean(at)) / scale;
    }),
  });
  const image = { shape: [3, 8, 7], data: Float32Array.from({ length: 168 }, (_, i) => i / 2) };

  it.each<[string, Preprocessing, ReturnType<typeof cropped>]>([
    [
      'a mean colour and a scale',
      { imageSize: [8, 7], mean: [1, 2, 3], scale: 64 },
      cropped((at) => 1 + Math.floor(at / 56), 64),
    ],
    ['a mean image', { imageSize: [8, 7], mean: image }, cropped((at) => at / 2)],
  ])('subtract %s, and crop', async (_, preprocessing, input) => {
    const model = writeOnnx(description, parameters, { preprocessing, softmax: false });
    expect(faultsOf(model)).toEqual([]);
    const plain = writeOnnx(description, parameters, { softmax: false });
    expect(difference(await runModel(model, pixels), await runModel(plain, input))).toBeLessThan(1e-6);
  });

  it.each<[Preprocessing, RegExp]>([
    [{ imageSize: [3, 7], mean: [1, 2, 3] }, /3 x 7 are smaller than the network's input of 4 x 5/],
    [{ imageSize: [8, 7], mean: [1, 2] }, /the mean has the shape \[2\]; it must be \[3\] or \[3, 8, 7\]/],
    [{ imageSize: [8, 7], mean: [1, 2, 3], scale: 0 }, /scale must be a number above 0, got 0/],
    [{ imageSize: [8, 7], mean: [1, 2, 3], crop: 4 } as never, /unknown option 'crop'/],
  ])('must fit: %o', (preprocessing, message) => {
    expect(() => writeOnnx(description, parameters, { preprocessing })).toThrow(message);
  });
});

describe('what cannot be written is refused:', () => {
  const parametersOf = (description: NetworkDescription) => madeParameters(description);
  it('an option that there is not', () => {
    const description = around(relu());
    expect(() => writeOnnx(description, parametersOf(description), { softMax: true } as never)).toThrow(/softMax/);
  });

  it('a parameter that is missing or does not fit', () => {
    const description = around(relu());
    const { 'fc.bias': bias, ...others } = parametersOf(description);
    expect(() => writeOnnx(description, others)).toThrow(
      new ConfigError('writeOnnx: fc.bias is missing; give every parameter of the network'),
    );
    const wrong = { shape: [1, 5], data: bias!.data };
    expect(() => writeOnnx(description, { ...others, 'fc.bias': wrong })).toThrow(
      new ShapeError('writeOnnx: fc.bias must have the shape [5], got [1, 5]'),
    );
  });

  it('a layer that ONNX does not have, or that does not say its options', () => {
    const own = around({ ...relu(), kind: 'leakyRelu', name: 'leaky1' });
    expect(() => writeOnnx(own, parametersOf(own))).toThrow(/leaky1: a layer of the kind leakyRelu cannot be written/);
    const { options, ...silent } = maxPool({ name: 'pool1', size: 2 });
    expect(() => writeOnnx(around(silent), parametersOf(around(silent)))).toThrow(/pool1: .* give it `options`/);
  });

  it('normalization in windows of even size', () => {
    const even = around(localResponseNorm({ name: 'norm1', size: 4 }));
    expect(() => writeOnnx(even, parametersOf(even))).toThrow(/norm1: a window of 4 maps .* use an odd size/);
  });
});
