import { relu, tanh } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { localResponseNorm } from '@alex/lrn';
import { sgd } from '@alex/optim';
import { averagePool, maxPool } from '@alex/pool';
import {
  ConfigError,
  describeNetwork,
  type Gpu,
  type HostTensor,
  type Layer,
  type LayerOptions,
  openGpu,
} from '@alex/tensor';
import { type Network, tuneNetwork } from '@alex/tensor/network';
import { randomTensor, relativeError } from '@alex/tensor/testing';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { type PlaceOptions, place } from './place.js';

// At the top level, because vitest decides what to skip before any hook runs.
const adapter = process.env['ALEX_ADAPTER'];
const gpu: Gpu = await openGpu(adapter ? { adapter } : {});
const hasHalves = gpu.features.has('shader-f16');

const placed: Network[] = [];

afterEach(() => {
  for (const network of placed.splice(0)) network.dispose();
  expect(gpu.liveBuffers).toBe(0);
});
afterAll(() => gpu.dispose());

const spread = { weightDeviation: 0.3 };

/** No size is a multiple of four except those of `fc4`; the gradients of fully connected layers are postponed. */
const networkOf = (activation: (options: LayerOptions) => Layer, pool: typeof maxPool | typeof averagePool) =>
  describeNetwork({
    name: 'small',
    input: [3, 9, 7],
    layers: [
      conv2d({ name: 'conv1', filters: 6, kernel: 3, padding: 1, initial: spread }),
      activation({ name: 'act1' }),
      localResponseNorm({ name: 'norm1' }),
      pool({ name: 'pool1', size: 3, stride: 2 }),
      conv2d({ name: 'conv2', filters: 10, kernel: 3, groups: 2, padding: 1, initial: spread }),
      activation({ name: 'act2' }),
      dense({ name: 'fc3', units: 41, initial: { weightDeviation: 0.1 } }),
      tanh({ name: 'tanh3' }),
      dense({ name: 'fc4', units: 36, initial: { weightDeviation: 0.1 } }),
      activation({ name: 'act4' }),
      dropout({ name: 'dropout4' }),
      dense({ name: 'fc5', units: 5, initial: { weightDeviation: 0.1 } }),
    ],
  });

const description = networkOf(relu, maxPool);
/** For cases in which no rounding decides which values pass. */
const smooth = networkOf(tanh, averagePool);

const batch = 5;
const images = randomTensor([batch, 3, 9, 7], 11);
const labels = [0, 1, 2, 3, 4];

function mixed(options: Partial<PlaceOptions> = {}, described = description): Network {
  const network = place(described, [gpu], { batch, seed: 1, precision: 'mixed', ...options });
  placed.push(network);
  return network;
}

const lossScaleOf = async (network: Network) => [...(await network.optimizerState())['lossScale']!.data];

async function setLossScale(network: Network, ...values: [scale: number, steps: number, skipped: number]) {
  const optimizerState = await network.optimizerState();
  const lossScale = { shape: [3], data: Float32Array.from(values) };
  network.loadState({ step: network.stepCount, optimizerState: { ...optimizerState, lossScale } });
}

const bitsOf = (tensors: Record<string, HostTensor>) =>
  Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, [...data]]));

test.skipIf(hasHalves)('without the feature shader-f16, mixed precision is refused before any memory is taken', () => {
  expect(() => mixed()).toThrow(ConfigError);
  expect(() => mixed()).toThrow(/small: mixed precision needs .* shader-f16.* use float32/);
});

test('a precision that does not exist is refused', () => {
  expect(() => mixed({ precision: 'double' as 'mixed' })).toThrow(/precision must be float32 or mixed, got 'double'/);
});

describe.skipIf(!hasHalves)('mixed precision (needs the feature shader-f16)', () => {
  test('gradients are those of float32 up to f16 rounding', async () => {
    // With each label once, the gradients of the last biases would nearly cancel.
    const uneven = [0, 0, 0, 1, 2];
    const expected = await mixed({ precision: 'float32' }, smooth).gradients(images, uneven);
    const gradients = await mixed({}, smooth).gradients(images, uneven);
    for (const [path, { data }] of Object.entries(expected)) {
      const error = relativeError(gradients[path]!.data, data);
      expect(error, path).toBeLessThan(1e-2);
      expect(error, `${path} is of f16`).toBeGreaterThan(0);
    }
  });

  test("one step is the paper's rule on those gradients, wherever in the step they are computed", async () => {
    const network = mixed({ optimizer: sgd({ learningRate: 0.1, weightDecay: 0.01 }) });
    const before = await network.parameters();
    const gradients = await network.gradients(images, labels);
    await network.step(images, labels);
    for (const [path, { data }] of Object.entries(await network.parameters())) {
      const decay = path.endsWith('weight') ? 0.01 : 0;
      const expected = before[path]!.data.map((w, index) => w - 0.1 * (gradients[path]!.data[index]! + decay * w));
      expect(relativeError(data, expected), path).toBeLessThan(1e-6);
    }
  });

  test('scores and losses are those of float32 up to f16 rounding', async () => {
    const [exact, network] = [mixed({ precision: 'float32' }), mixed()];
    const wanted = await exact.forward(images);
    expect(relativeError((await network.forward(images)).data, wanted.data)).toBeLessThan(5e-3);
    const evaluations = [await network.evaluate(images, labels), await exact.evaluate(images, labels)] as const;
    expect(relativeError(evaluations[0].losses, evaluations[1].losses)).toBeLessThan(5e-3);
  });

  test.each([4, 5])('learns as float32 does: %i images per step', async (count) => {
    const optimizer = sgd({ learningRate: 0.02 });
    const some = { shape: [count, 3, 9, 7], data: images.data.slice(0, count * 3 * 9 * 7) };
    const curves = await Promise.all(
      (['float32', 'mixed'] as const).map(async (precision) => {
        const network = mixed({ precision, optimizer, batch: count });
        const losses: number[] = [];
        for (let step = 0; step < 80; step++) losses.push((await network.step(some, labels.slice(0, count))).loss);
        return { losses, error: (await network.evaluate(some, labels.slice(0, count))).top1Errors };
      }),
    );
    const [exact, rounded] = curves as [(typeof curves)[0], (typeof curves)[0]];
    exact.losses.slice(0, 10).forEach((loss, step) => {
      expect(Math.abs(rounded.losses[step]! - loss), `step ${step}`).toBeLessThan(0.02 + 0.02 * loss);
    });
    for (const { losses, error } of curves) {
      expect(losses.slice(-10).reduce((sum, loss) => sum + loss / 10)).toBeLessThan(0.3);
      expect([...error]).toEqual(Array(count).fill(0));
    }
  });

  test('a step whose gradients overflow changes only the scale, and the next ones learn again', async () => {
    const network = mixed();
    await network.step(images, labels);
    await setLossScale(network, 2 ** 24, 7, 0);
    const before = { parameters: await network.parameters(), state: await network.optimizerState() };
    await network.step(images, labels);
    const after = { parameters: await network.parameters(), state: await network.optimizerState() };
    expect(bitsOf(after.parameters)).toEqual(bitsOf(before.parameters));
    expect([...after.state['lossScale']!.data]).toEqual([2 ** 23, 0, 1]);
    expect(bitsOf({ ...after.state, lossScale: before.state['lossScale']! })).toEqual(bitsOf(before.state));
    for (let step = 0; step < 12; step++) await network.step(images, labels);
    const [scale, , skipped] = await lossScaleOf(network);
    expect(scale).toBe(2 ** (24 - skipped!));
    expect(skipped).toBeLessThan(12);
    const learnt = await network.parameters();
    for (const { data } of Object.values(learnt)) expect(data.every(Number.isFinite)).toBe(true);
    expect(learnt['fc5.weight']!.data).not.toEqual(before.parameters['fc5.weight']!.data);
  });

  test('activations that overflow, which no scale can prevent, change no parameter', async () => {
    const network = mixed();
    const before = bitsOf(await network.parameters());
    await network.step({ ...images, data: images.data.map((value) => value * 1e5) }, labels);
    expect(bitsOf(await network.parameters())).toEqual(before);
    expect(await lossScaleOf(network)).toEqual([2 ** 15, 0, 1]);
  });

  test('the scale doubles after 1000 good steps, within its bounds', async () => {
    const network = mixed();
    expect(await lossScaleOf(network)).toEqual([2 ** 16, 0, 0]);
    await setLossScale(network, 1024, 998, 3);
    await network.step(images, labels);
    expect(await lossScaleOf(network)).toEqual([1024, 999, 3]);
    await network.step(images, labels);
    expect(await lossScaleOf(network)).toEqual([2048, 0, 3]);
    await setLossScale(network, 1, 10, 0);
    await network.step({ ...images, data: images.data.map((value) => value * 1e5) }, labels);
    expect(await lossScaleOf(network)).toEqual([1, 0, 1]);
  });

  test('the loss scale only affects rounding', async () => {
    const learn = async (scale: number) => {
      const network = mixed();
      await setLossScale(network, scale, 0, 0);
      for (let step = 0; step < 3; step++) await network.step(images, labels);
      expect(await lossScaleOf(network)).toEqual([scale, 3, 0]);
      return network.parameters();
    };
    const [small, large] = [await learn(8), await learn(1024)];
    for (const [path, { data }] of Object.entries(small)) {
      expect(relativeError(large[path]!.data, data), path).toBeLessThan(1e-3);
    }
  });

  test('a training continues in another network with the same bits, and its scale', async () => {
    const whole = mixed();
    for (let step = 0; step < 3; step++) await whole.step(images, labels);
    await setLossScale(whole, 2 ** 24, 5, 0);
    const next = mixed({ seed: 1 });
    next.loadParameters(await whole.parameters());
    next.loadState({ step: whole.stepCount, optimizerState: await whole.optimizerState() });
    // The first of these overflow.
    for (const network of [whole, next]) for (let step = 0; step < 14; step++) await network.step(images, labels);
    expect(bitsOf(await next.parameters())).toEqual(bitsOf(await whole.parameters()));
    expect(bitsOf(await next.optimizerState())).toEqual(bitsOf(await whole.optimizerState()));
    expect((await lossScaleOf(next))[2]).toBeGreaterThan(0);
  });

  test('weights from mixed precision are evaluated in either precision', async () => {
    const network = mixed();
    await network.step(images, labels);
    const exact = mixed({ precision: 'float32', training: false });
    exact.loadParameters(await network.parameters());
    expect(relativeError((await exact.forward(images)).data, (await network.forward(images)).data)).toBeLessThan(5e-3);
    expect(Object.keys(await mixed({ training: false }).optimizerState())).toEqual([]);
  });

  test('kernels are tuned for f16 separately, and none is rejected for its rounding', async () => {
    const tuned = describeNetwork({ name: 'tuned', input: [1, 8, 8], layers: [dense({ units: 8 })] });
    const { tunings, dropped } = await tuneNetwork(tuned, gpu, {
      batch: 8,
      loss: softmaxCrossEntropy(),
      optimizer: sgd(),
      precision: 'mixed',
      effort: 'quick',
      clock: { now: () => 0, time: () => Promise.resolve(1) },
    });
    expect(dropped).toEqual([]);
    expect([...tunings.keys()].every((key) => key.includes('f16'))).toBe(true);
  });
});
