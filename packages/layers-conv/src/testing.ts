import { type Gpu, type HostTensor, type Layer, openGpu } from '@alex/tensor';
import { type LayerSuite, randomTensor, relativeError, runLayer } from '@alex/tensor/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect } from 'vitest';

/** The sizes that a reference loops over. */
export interface Window {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly filters: number;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: { readonly top: number; readonly left: number; readonly bottom: number; readonly right: number };
  readonly groups: number;
}

export function outputSizesOf({ height, width, kernel, stride, padding }: Window): [number, number] {
  return [
    Math.floor((height + padding.top + padding.bottom - kernel[0]) / stride[0]) + 1,
    Math.floor((width + padding.left + padding.right - kernel[1]) / stride[1]) + 1,
  ];
}

const upTo = (max: number) => fc.integer({ min: 1, max });

/** Ragged shapes: odd sizes and batches, groups, padding on some sides only, even wider than the kernel. */
export function raggedWindows(sizes: {
  readonly batches: number[];
  readonly groupChannels: number;
  readonly side: number;
  readonly kernel: fc.Arbitrary<Window['kernel']>;
  readonly stride: fc.Arbitrary<Window['stride']>;
  readonly padding: number;
}): fc.Arbitrary<Window> {
  const pad = fc.integer({ min: 0, max: sizes.padding });
  return fc
    .record({
      batch: fc.constantFrom(...sizes.batches),
      groupChannels: upTo(sizes.groupChannels),
      groupFilters: upTo(19),
      groups: fc.constantFrom(1, 1, 2, 3),
      height: upTo(sizes.side),
      width: upTo(sizes.side),
      kernel: sizes.kernel,
      stride: sizes.stride,
      padding: fc.record({ top: pad, left: pad, bottom: pad, right: pad }),
    })
    .map(({ groupChannels, groupFilters, ...rest }) => ({
      ...rest,
      channels: groupChannels * rest.groups,
      filters: groupFilters * rest.groups,
    }))
    .filter((window) => Math.min(...outputSizesOf(window)) >= 1);
}

/** With strides beyond the kernel. */
export const windows = raggedWindows({
  batches: [1, 2, 3, 5, 8, 17],
  groupChannels: 7,
  side: 11,
  kernel: fc.tuple(upTo(5), upTo(5)),
  stride: fc.tuple(upTo(6), upTo(4)),
  padding: 3,
});

export interface Expected {
  readonly output: Float64Array;
  readonly inputGradient: Float64Array;
  readonly weight: Float64Array;
  readonly bias: Float64Array;
}

/**
 * Forward and backward in float64 from the definition, one multiply-add after the other.
 *
 * @param shared - whether all positions share their weights, `[filters, channels / groups, kernel height, kernel width]`
 * and biases `[filters]`; otherwise every position has its own, `[height * width, filters, ...]` and
 * `[filters, height, width]`
 */
export function expected(
  window: Window,
  shared: boolean,
  values: { input: Float32Array; weight: Float32Array; bias: Float32Array; outputGradient: Float32Array },
): Expected {
  const { batch, channels, height, width, filters, kernel, stride, padding, groups } = window;
  const [outputHeight, outputWidth] = outputSizesOf(window);
  const groupChannels = channels / groups;
  const groupFilters = filters / groups;
  const { input, weight } = values;
  const output = new Float64Array(batch * filters * outputHeight * outputWidth);
  const inputGradient = new Float64Array(input.length);
  const weightGradient = new Float64Array(weight.length);
  const biasGradient = new Float64Array(values.bias.length);
  for (let n = 0; n < batch; n++) {
    for (let f = 0; f < filters; f++) {
      for (let oy = 0; oy < outputHeight; oy++) {
        for (let ox = 0; ox < outputWidth; ox++) {
          const position = oy * outputWidth + ox;
          const out = (n * filters + f) * outputHeight * outputWidth + position;
          const bias = shared ? f : f * outputHeight * outputWidth + position;
          const gradient = values.outputGradient[out]!;
          let sum = values.bias[bias]!;
          const group = Math.floor(f / groupFilters);
          const filter = shared ? f : position * filters + f;
          for (let c = 0; c < groupChannels; c++) {
            const map = (n * channels + group * groupChannels + c) * height;
            for (let ky = 0; ky < kernel[0]; ky++) {
              const y = oy * stride[0] + ky - padding.top;
              if (y < 0 || y >= height) continue;
              const row = (map + y) * width;
              const weights = ((filter * groupChannels + c) * kernel[0] + ky) * kernel[1];
              for (let kx = 0; kx < kernel[1]; kx++) {
                const x = ox * stride[1] + kx - padding.left;
                if (x < 0 || x >= width) continue;
                const value = input[row + x]!;
                const factor = weight[weights + kx]!;
                sum += value * factor;
                inputGradient[row + x]! += gradient * factor;
                weightGradient[weights + kx]! += gradient * value;
              }
            }
          }
          output[out] = sum;
          biasGradient[bias]! += gradient;
        }
      }
    }
  }
  return { output, inputGradient, weight: weightGradient, bias: biasGradient };
}

interface WindowOptions {
  readonly filters: number;
  readonly kernel: number | readonly [number, number];
  readonly stride?: number | readonly [number, number];
  readonly padding?: number | readonly [number, number] | Window['padding'];
  readonly groups?: number;
}

/** The float64 loops in the form that the conformance suite needs. */
export const referenceOf =
  (shared: boolean): NonNullable<LayerSuite<WindowOptions>['reference']> =>
  ({ options, input, parameters, outputGradient }) => {
    const [batch, channels, height, width] = input.shape as [number, number, number, number];
    const both = (size: number | readonly [number, number]): readonly [number, number] =>
      typeof size === 'number' ? [size, size] : size;
    const { filters, padding = 0, groups = 1 } = options;
    const [y, x] = typeof padding === 'number' || 'length' in padding ? both(padding) : [0, 0];
    const window: Window = {
      ...{ batch, channels, height, width, filters, groups },
      kernel: both(options.kernel),
      stride: both(options.stride ?? 1),
      padding: typeof padding === 'object' && 'top' in padding ? padding : { top: y, left: x, bottom: y, right: x },
    };
    const weight = parameters['weight']!.data;
    const bias = parameters['bias']?.data;
    const values = { input: input.data, weight, bias: bias ?? new Float32Array(filters * 1e4) };
    const want = expected(window, shared, { ...values, outputGradient: outputGradient.data });
    return { ...want, parameterGradients: { weight: want.weight, ...(bias && { bias: want.bias }) } };
  };

/** Runs a layer on random values, and returns its results and those of the float64 loops. */
export async function runBoth(gpu: Gpu, layer: Layer, window: Window, shared: boolean) {
  const { batch, channels, height, width } = window;
  const inputShape = [batch, channels, height, width];
  const [weightShape, biasShape] = layer.parameters(inputShape).map((parameter) => parameter.shape);
  const input = randomTensor(inputShape, 1);
  const weight = randomTensor(weightShape!, 2);
  // A layer without biases adds zeros in the reference.
  const bias = biasShape
    ? randomTensor(biasShape, 3)
    : { shape: [], data: new Float32Array(shared ? window.filters : window.filters * 1e4) };
  const outputGradient = randomTensor(layer.outputShape(inputShape), 4);
  const parameters: Record<string, HostTensor> = biasShape ? { weight, bias } : { weight };
  const got = await runLayer(gpu, layer, { input, parameters, outputGradient });
  const want = expected(window, shared, {
    input: input.data,
    weight: weight.data,
    bias: bias.data,
    outputGradient: outputGradient.data,
  });
  return { got, want };
}

/** Expects that a layer's results and those of the float64 loops differ by less than a fraction of the largest value. */
export async function expectAgreement(
  gpu: Gpu,
  layer: Layer,
  window: Window,
  { shared, output, gradients }: { readonly shared: boolean; readonly output: number; readonly gradients: number },
) {
  const { got, want } = await runBoth(gpu, layer, window, shared);
  const text = JSON.stringify(window);
  const near = (name: string, values: ArrayLike<number>, right: ArrayLike<number>, bound: number) =>
    expect(relativeError(values, right), `${name} of ${text}`).toBeLessThan(bound);
  near('output', got.output.data, want.output, output);
  near('input gradient', got.inputGradient!.data, want.inputGradient, gradients);
  const { weight, bias, ...others } = got.parameterGradients!;
  near('weight gradient', weight!.data, want.weight, gradients);
  if (bias) near('bias gradient', bias.data, want.bias, gradients);
  expect(bias !== undefined).toBe(layer.parameters(got.inputGradient!.shape).length > 1);
  expect(others).toEqual({});
}

/**
 * Runs tests on the adapter with and without subgroups and as if it were a GPU, and checks that they leave no buffers
 * behind. The variants differ only in how rows are loaded and shared, so the others draw fewer shapes.
 */
export function describeOnEveryVariant(name: string, tests: (gpu: () => Gpu, randomShapes: number) => void): void {
  describe.each([
    ['with subgroups if the adapter has them', {}, 6],
    ['without subgroups', { subgroups: false }, 3],
    ['through workgroup memory, as on a GPU', { subgroups: false, kind: 'hardware' as const }, 2],
  ])(`${name} %s`, (_, { kind, ...options }: { subgroups?: boolean; kind?: 'hardware' }, randomShapes) => {
    let gpu: Gpu;
    beforeAll(async () => {
      const adapter = process.env['ALEX_ADAPTER'];
      gpu = await openGpu({ ...options, ...(adapter ? { adapter } : {}) });
      if (kind) Object.defineProperty(gpu, 'description', { value: { ...gpu.description, kind } });
    });
    afterAll(() => {
      const left = gpu.liveBuffers;
      gpu.dispose();
      expect(left).toBe(0);
    });
    tests(() => gpu, randomShapes);
  });
}
