import { ConfigError, createProgram, createTensor, disposeTensor, type HostTensor, type Layer } from '@alex/tensor';
import { streamOf, threefry2x32, uniformFromBits } from '@alex/tensor/kernels';
import { describeLayer, randomTensor, relativeError, runLayer, testGpu } from '@alex/tensor/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../../../leaks.base.js';
import { dropout } from './dropout.js';

const gpu = await testGpu();
expectNoLeaks(gpu);

const ones = (shape: readonly number[]): HostTensor => ({
  shape: [...shape],
  data: new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(1),
});

/** The mask by its definition: the value at position `index` of the batch, in the order of the host. */
function expectedMask(elements: number, name: string, keep: number, seed: number, step: number): Float32Array {
  return Float32Array.from({ length: elements }, (_, index) => {
    const [bits] = threefry2x32(seed, streamOf(name), index, step);
    return uniformFromBits(bits) < Math.fround(keep) ? 1 : 0;
  });
}

/** Which ones of the input the layer keeps in training. */
async function mask(
  layer: Layer,
  shape: readonly number[],
  options: { seed?: number; step?: number; imagesBefore?: number } = {},
) {
  const { output } = await runLayer(gpu, layer, { input: ones(shape), training: true, ...options });
  return output.data;
}

/** Five standard deviations of the mean of this many independent zeros and ones: exceeded once in 1.7 million draws. */
const fiveSigma = (chance: number, draws: number) => 5 * Math.sqrt((chance * (1 - chance)) / draws);

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

describeLayer(
  dropout,
  [
    { options: { probability: 0.5 }, input: [3, 4, 5, 3], columns: { count: 2, from: 'own' } },
    { options: { probability: 0.2, inverted: true }, input: [5, 13] },
  ],
  { describe, it },
);

describe('dropout', () => {
  it('drops by the mask that seed, name, step and position define, for activations of any shape', async () => {
    const shapes = fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70 })),
      fc.tuple(...[5, 7, 6, 5].map((max) => fc.integer({ min: 1, max }))),
    );
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.constantFrom(0.1, 0.5, 0.8),
        fc.boolean(),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        async (shape, probability, inverted, seed, step) => {
          const input = randomTensor(shape, 1);
          const outputGradient = randomTensor(shape, 2);
          const layer = dropout({ probability, inverted, name: 'drop6' });
          const result = await runLayer(gpu, layer, { input, outputGradient, training: true, seed, step });
          const kept = expectedMask(input.data.length, 'drop6', 1 - probability, seed, step);
          const scale = inverted ? 1 / (1 - probability) : 1;
          const times = (values: Float32Array) => Array.from(values, (value, i) => value * kept[i]! * scale);
          expect(relativeError(result.output.data, times(input.data))).toBeLessThan(1e-6);
          expect(relativeError(result.inputGradient!.data, times(outputGradient.data))).toBeLessThan(1e-6);
        },
      ),
      { numRuns: 20, seed: 2012 },
    );
  });

  it('keeps values unchanged in training and multiplies by the keep probability at test time', async () => {
    const input = randomTensor([3, 50], 1);
    const trained = await runLayer(gpu, dropout(), { input, training: true });
    for (const [i, value] of trained.output.data.entries()) expect([0, input.data[i]]).toContain(value);
    const tested = await runLayer(gpu, dropout({ probability: 0.25 }), { input, training: false });
    expect([...tested.output.data]).toEqual([...input.data.map((value) => value * 0.75)]);
  });

  it('inverted, divides by the keep probability in training and changes nothing at test time', async () => {
    const input = randomTensor([3, 50], 1);
    const layer = dropout({ probability: 0.75, inverted: true });
    const trained = await runLayer(gpu, layer, { input, training: true });
    for (const [i, value] of trained.output.data.entries()) expect([0, 4 * input.data[i]!]).toContain(value);
    const tested = await runLayer(gpu, layer, { input, training: false });
    expect([...tested.output.data]).toEqual([...input.data]);
  });

  it('has the gradient of its forward pass: central differences, in training and at test time', async () => {
    const outputGradient = ones([2, 3, 2, 2]);
    const input = randomTensor([2, 3, 2, 2], 3);
    const moved = (change: number) => ({ shape: input.shape, data: input.data.map((value) => value + change) });
    for (const training of [true, false]) {
      for (const inverted of [true, false]) {
        const layer = dropout({ probability: 0.3, inverted });
        const run = (values: HostTensor) =>
          runLayer(gpu, layer, { input: values, outputGradient, training, seed: 7, step: 8 });
        const [above, below] = [await run(moved(0.125)), await run(moved(-0.125))];
        // Each output depends on one input only, so all inputs can move at once.
        const differences = above.output.data.map((value, i) => (value - below.output.data[i]!) / 0.25);
        expect(relativeError(above.inputGradient!.data, differences)).toBeLessThan(1e-5);
      }
    }
  });

  it('drops as often as it should', async () => {
    const draws = 256 * 400;
    for (const probability of [0.1, 0.5, 0.9]) {
      const keep = 1 - probability;
      const kept = await mask(dropout({ probability }), [256, 400], { seed: 1 });
      expect(Math.abs(mean(kept) - keep)).toBeLessThan(fiveSigma(keep, draws));
    }
  });

  it('drops each image, each feature and each neighbour independently', async () => {
    const [images, features] = [256, 400];
    const kept = await mask(dropout(), [images, features], { seed: 2 });
    const agreement = (offset: number) =>
      mean(Array.from({ length: kept.length - offset }, (_, i) => (kept[i] === kept[i + offset] ? 1 : 0)));
    for (const offset of [1, 2, features, features + 1]) {
      expect(Math.abs(agreement(offset) - 0.5)).toBeLessThan(fiveSigma(0.5, kept.length - offset));
    }
    for (let image = 0; image < images; image += 51) {
      const row = kept.subarray(image * features, (image + 1) * features);
      expect(Math.abs(mean(row) - 0.5)).toBeLessThan(fiveSigma(0.5, features));
    }
  });

  it('has the same mask for the same seed and step, and independent ones otherwise', async () => {
    const shape = [64, 100];
    const layer = dropout({ name: 'drop6' });
    const first = await mask(layer, shape, { seed: 1, step: 10 });
    expect(await mask(dropout({ name: 'drop6' }), shape, { seed: 1, step: 10 })).toEqual(first);
    for (const other of [
      await mask(layer, shape, { seed: 1, step: 11 }),
      await mask(layer, shape, { seed: 2, step: 10 }),
      await mask(dropout({ name: 'drop7' }), shape, { seed: 1, step: 10 }),
    ]) {
      const agreement = mean(first.map((value, i) => (value === other[i] ? 1 : 0)));
      expect(Math.abs(agreement - 0.5)).toBeLessThan(fiveSigma(0.5, first.length));
    }
  });

  it('drops the same values of an image in batches of any size', async () => {
    const whole = await mask(dropout(), [5, 3, 4, 2]);
    expect([...(await mask(dropout(), [2, 3, 4, 2]))]).toEqual([...whole.subarray(0, 2 * 24)]);
  });

  it('drops in micro-batches of a step what the whole batch drops', async () => {
    const whole = await mask(dropout(), [6, 5], { seed: 3, step: 4 });
    for (const part of [0, 1, 2]) {
      const own = await mask(dropout(), [2, 5], { seed: 3, step: 4, imagesBefore: part * 2 });
      expect([...own]).toEqual([...whole.subarray(part * 10, (part + 1) * 10)]);
    }
  });

  it('drops in columns what the whole layer drops', async () => {
    for (const [images, ...one] of [
      [3, 6, 2, 3],
      [4, 10],
    ] as const) {
      const features = one.reduce((product, size) => product * size, 1);
      const whole = await mask(dropout(), [images, ...one], { seed: 3, step: 4 });
      for (const index of [0, 1]) {
        const shape = [images, one[0] / 2, ...one.slice(1)];
        const half = await mask(dropout().column({ index, count: 2 }), shape, { seed: 3, step: 4 });
        for (let image = 0; image < images; image++) {
          const from = image * features + (index * features) / 2;
          expect([...half.subarray((image * features) / 2, ((image + 1) * features) / 2)]).toEqual([
            ...whole.subarray(from, from + features / 2),
          ]);
        }
      }
    }
  });

  it('keeps everything at probability 0, and next to nothing near 1', async () => {
    const input = randomTensor([4, 25], 9);
    for (const inverted of [true, false]) {
      const layer = dropout({ probability: 0, inverted });
      const result = await runLayer(gpu, layer, { input, outputGradient: input, training: true });
      expect([...result.output.data]).toEqual([...input.data]);
      expect([...result.inputGradient!.data]).toEqual([...input.data]);
    }
    const kept = await mask(dropout({ probability: 1 - 1e-6 }), [100, 100]);
    // Of 10,000 values, 0.01 are kept on average.
    expect(mean(kept) * 10_000).toBeLessThanOrEqual(1);
  });

  it('drops NaN and infinity like any other value', async () => {
    for (const value of [NaN, Infinity]) {
      const input = { shape: [4, 25], data: new Float32Array(100).fill(value) };
      const { output } = await runLayer(gpu, dropout(), { input, training: true });
      const kept = expectedMask(100, 'dropout', 0.5, 0, 0);
      expect([...output.data]).toEqual(Array.from(kept, (one) => (one === 1 ? value : 0)));
    }
  });

  it('works in place and keeps nothing for the backward pass', () => {
    const [source, result, gradient] = ['source', 'result', 'gradient'].map((label) =>
      createTensor(gpu, label, [8, 8]),
    );
    const program = createProgram(gpu, (recorder) => {
      const copy = (from: typeof source, to: typeof source) =>
        recorder.dispatch({
          label: 'copy',
          reads: { from: from! },
          writes: { to: to! },
          workgroups: [1],
          wgsl: `
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) i: u32) { store_to(i, load_from(i)); }`,
        });
      const input = recorder.tensor('input', [8, 8]);
      copy(source, input);
      const layer = dropout();
      const forward = layer.forward(recorder, { input, parameters: {}, training: true });
      copy(forward.output, result);
      const outputGradient = recorder.tensor('outputGradient', [8, 8]);
      copy(source, outputGradient);
      const backward = layer.backward(recorder, {
        ...forward,
        input,
        parameters: {},
        outputGradient,
        needsInputGradient: true,
      });
      copy(backward.inputGradient, gradient);
    });
    // One buffer is enough for input and output, and then for both gradients.
    expect(program.plannedBytes).toBe(8 * 8 * 4);
    program.dispose();
    for (const tensor of [source, result, gradient]) disposeTensor(gpu, tensor!);
  });

  it.each([1, 1.5, -0.1, NaN, Infinity])('refuses a probability of %d', (probability) => {
    expect(() => dropout({ probability, name: 'drop6' })).toThrow(ConfigError);
    expect(() => dropout({ probability, name: 'drop6' })).toThrow(
      `drop6: probability must be a number from 0 to below 1, got ${probability}`,
    );
  });
});

it('says with which options it was made, the defaults filled in', () => {
  expect(dropout({ name: 'dropout6' }).options).toEqual({ probability: 0.5, inverted: false });
});
