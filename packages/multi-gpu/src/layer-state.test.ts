import { relu } from '@alex/activations';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { sgd } from '@alex/optim';
import { ConfigError, describeNetwork, type Gpu, type HostTensor, openGpu } from '@alex/tensor';
import type { Network } from '@alex/tensor/network';
import { randomTensor, relativeError, runLayer } from '@alex/tensor/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type PlaceOptions, place } from './place.js';
import { nextMean, runningMean } from './running-mean.fixture.js';

const adapter = process.env['ALEX_ADAPTER'];
const open = () => openGpu(adapter ? { adapter } : {});
let gpus: [Gpu, Gpu];
const placed: Network[] = [];
beforeAll(async () => {
  gpus = [await open(), await open()];
});
afterEach(() => {
  for (const network of placed.splice(0)) network.dispose();
  for (const gpu of gpus) expect(gpu.liveBuffers).toBe(0);
});
afterAll(() => {
  for (const gpu of gpus) gpu.dispose();
});

const initial = { weightDeviation: 0.3 };
const description = describeNetwork({
  name: 'with state',
  input: [3, 5, 4],
  layers: [
    runningMean({ name: 'norm0' }),
    conv2d({ name: 'conv1', filters: 6, kernel: 3, padding: 1, initial }),
    runningMean({ name: 'norm1' }),
    relu({ name: 'relu1' }),
    dense({ name: 'fc2', units: 6, initial }),
    runningMean({ name: 'norm2' }),
    dense({ name: 'fc3', units: 3, initial }),
  ],
});
const batch = 5;
const images = randomTensor([batch, 3, 5, 4], 1);
const others = randomTensor([batch, 3, 5, 4], 2);
const labels = [0, 1, 2, 1, 0];

function on(gpus: readonly Gpu[], options: Partial<PlaceOptions> = {}): Network {
  const network = place(description, gpus, { batch, seed: 4, optimizer: sgd({ learningRate: 0.05 }), ...options });
  placed.push(network);
  return network;
}

const first = () => [gpus[0]];
const everything = async (network: Network) => ({
  parameters: await network.parameters(),
  optimizerState: await network.optimizerState(),
  layerState: await network.layerState(),
});
const meanOf = async (network: Network, layer: string) => [...(await network.layerState())[`${layer}.mean`]!.data];

function expectAlike(got: Record<string, HostTensor>, wanted: Record<string, HostTensor>, tolerance: number) {
  expect(Object.keys(got)).toEqual(Object.keys(wanted));
  for (const [path, { shape, data }] of Object.entries(wanted)) {
    expect(got[path]!.shape, path).toEqual(shape);
    expect(relativeError(got[path]!.data, data), path).toBeLessThan(tolerance);
  }
}

describe('layer state that is not learnt', () => {
  test('is described like parameters, does not count as one, and starts from its initial value', async () => {
    expect(description.layers.flatMap(({ state }) => state.map(({ path, shape }) => [path, shape]))).toEqual([
      ['norm0.mean', [3]],
      ['norm1.mean', [6]],
      ['norm2.mean', [6]],
    ]);
    expect(description.parameterCount).toBe(6 * 27 + 6 + 6 * 120 + 6 + 18 + 3);
    const network = on(first());
    expect(Object.keys(await network.parameters())).not.toContain('norm0.mean');
    expect(Object.keys(await network.optimizerState())).not.toContain('norm0.mean.velocity');
    expect(await meanOf(network, 'norm0')).toEqual([0.5, 0.5, 0.5]);
    expect(network.memory().layerStateBytes).toBe(4 * (3 + 6 + 6));
  });

  test('changes only in steps', async () => {
    const network = on(first());
    const untouched = await everything(network);
    await network.gradients(images, labels);
    await network.statistics(images, labels);
    await network.evaluate(images, labels);
    await network.forward(images);
    expect(await everything(network)).toEqual(untouched);

    await network.step(images, labels);
    const once = nextMean([0.5, 0.5, 0.5], images);
    expect(relativeError(await meanOf(network, 'norm0'), once)).toBeLessThan(1e-5);
    await network.step(others, labels);
    expect(relativeError(await meanOf(network, 'norm0'), nextMean(once, others))).toBeLessThan(1e-5);
  });

  test('is what a layer reads in evaluation', async () => {
    const network = on(first());
    await network.step(images, labels);
    const { parameters, optimizerState, layerState } = await everything(network);
    const shifted = { ...layerState, 'norm2.mean': { shape: [6], data: new Float32Array(6).fill(3) } };
    const before = await network.forward(images);
    network.loadState({ step: 1, optimizerState, layerState: shifted });
    const after = await network.forward(images);
    const weights = parameters['fc3.weight']!.data;
    const wanted = before.data.map((score, index) => {
      const unit = index % 3;
      let sum = score;
      for (let i = 0; i < 6; i++) sum += weights[unit * 6 + i]! * (layerState['norm2.mean']!.data[i]! - 3);
      return sum;
    });
    expect(relativeError(after.data, wanted)).toBeLessThan(1e-5);
  });

  test('is updated by each micro-batch in turn, and stored with the parameters', async () => {
    const network = on(first(), { microBatches: 2 });
    const untouched = await everything(network);
    await network.step(images, labels);
    expect(await everything(network)).toEqual(untouched);
    await network.step(others, labels);
    const wanted = nextMean(nextMean([0.5, 0.5, 0.5], images), others);
    expect(relativeError(await meanOf(network, 'norm0'), wanted)).toBeLessThan(1e-5);
  });

  test('restarts a step that stopped between two micro-batches', async () => {
    const [stopped, whole] = [on(first(), { microBatches: 2 }), on(first(), { microBatches: 2 })];
    await stopped.step(others, labels);
    stopped.loadState({ step: 0, ...(await everything(stopped)) });
    for (const network of [stopped, whole]) {
      await network.step(images, labels);
      await network.step(others, labels);
    }
    expect(await everything(stopped)).toEqual(await everything(whole));
  });

  test('lets another network continue, bit for bit', async () => {
    const [whole, resumed] = [on(first()), on(first(), { seed: 9 })];
    await whole.step(images, labels);
    const { parameters, ...state } = await everything(whole);
    resumed.loadParameters(parameters);
    resumed.loadState({ step: 1, ...state });
    for (const network of [whole, resumed]) await network.step(others, labels);
    expect(await everything(resumed)).toEqual(await everything(whole));
  });

  test('may be loaded along with the parameters, and nothing is loaded if anything is wrong', async () => {
    const [trained, fresh] = [on(first()), on(first(), { seed: 9 })];
    await trained.step(images, labels);
    const { parameters, layerState, optimizerState } = await everything(trained);
    const untouched = await everything(fresh);
    const { 'norm1.mean': _, ...incomplete } = layerState;
    expect(() => fresh.loadParameters({ ...parameters, ...incomplete })).toThrow(
      /the layer state norm1.mean is missing/,
    );
    expect(() => fresh.loadState({ step: 1, optimizerState })).toThrow(/the layer state norm0.mean is missing/);
    const wrong = { ...layerState, 'norm1.mean': randomTensor([4], 1) };
    expect(() => fresh.loadState({ step: 1, optimizerState, layerState: wrong })).toThrow(
      /norm1.mean must have the shape \[6\], got \[4\]/,
    );
    expect(await everything(fresh)).toEqual(untouched);
    fresh.loadParameters({ ...parameters, ...layerState });
    expect(await fresh.layerState()).toEqual(layerState);
    expect(await fresh.forward(images)).toEqual(await trained.forward(images));
  });

  test('stays f32 in mixed precision, and unchanged when a step is skipped', async ({ skip }) => {
    if (!gpus[0].features.has('shader-f16')) skip('the adapter has no f16');
    const network = on(first(), { precision: 'mixed' });
    await network.step(images, labels);
    expect(relativeError(await meanOf(network, 'norm0'), nextMean([0.5, 0.5, 0.5], images))).toBeLessThan(1e-3);
    const before = await network.layerState();
    const huge = { shape: [...images.shape], data: images.data.map((value) => value * 1e30) };
    await network.step(huge, labels);
    expect(await network.layerState()).toEqual(before);
  });

  test.each(['data', 'hybrid', 'model'] as const)(
    'is the same on two adapters as on one, with strategy %s',
    async (strategy) => {
      const [one, two] = [on(first()), on(gpus, { strategy })];
      for (const batch of [images, others, images]) {
        await one.step(batch, labels);
        await two.step(batch, labels);
      }
      expectAlike(await two.layerState(), await one.layerState(), 1e-5);
      expectAlike(await two.parameters(), await one.parameters(), 1e-4);
      // Both adapters evaluate with the same state: either of them alone continues as both do.
      const { parameters, ...state } = await everything(two);
      const next = on(first(), { seed: 9 });
      next.loadParameters(parameters);
      next.loadState({ step: 3, ...state });
      expect(relativeError((await two.forward(images)).data, (await next.forward(images)).data)).toBeLessThan(1e-5);
    },
  );

  test('is averaged over adapters after the last micro-batch', async () => {
    const two = on(gpus, { microBatches: 2, strategy: 'data', images: [2, 3] });
    await two.step(images, labels);
    expect(await meanOf(two, 'norm0')).toEqual([0.5, 0.5, 0.5]);
    await two.step(others, labels);
    const wanted = nextMean(nextMean([0.5, 0.5, 0.5], images), others);
    expect(relativeError(await meanOf(two, 'norm0'), wanted)).toBeLessThan(1e-5);
  });

  test('may not have the name of a parameter', () => {
    const layer = dense({ name: 'fc', units: 2 });
    const state = () => [{ name: 'weight', shape: [1], initial: 0 }];
    const options = { name: 'n', input: [1, 1, 1], layers: [{ ...layer, state }] };
    expect(() => describeNetwork(options)).toThrow(ConfigError);
    expect(() => describeNetwork(options)).toThrow(/fc has two parameters or states called weight/);
  });
});

describe('runLayer', () => {
  test('returns the new state, and does not require any', async () => {
    const layer = runningMean({ name: 'norm' });
    const mean = { shape: [3], data: Float32Array.of(1, 2, 3) };
    const { state, output } = await runLayer(gpus[0], layer, { input: images, state: { mean }, training: true });
    expect(relativeError(state!['mean']!.data, nextMean([1, 2, 3], images))).toBeLessThan(1e-5);
    expect(
      relativeError(
        output.data,
        images.data.map((x, i) => x - ((Math.floor(i / 20) % 3) + 1)),
      ),
    ).toBeLessThan(1e-6);
    expect([...mean.data]).toEqual([1, 2, 3]);
    const evaluated = await runLayer(gpus[0], layer, { input: images });
    expect(evaluated.state).toBeUndefined();
    expect(
      relativeError(
        evaluated.output.data,
        images.data.map((x) => x - 0.5),
      ),
    ).toBeLessThan(1e-6);
    await expect(runLayer(gpus[0], layer, { input: images, state: { variance: mean } })).rejects.toThrow(
      /norm: has no state called variance/,
    );
    await expect(runLayer(gpus[0], layer, { input: images, state: { mean: randomTensor([2], 1) } })).rejects.toThrow(
      /norm: mean must have the shape \[3\], got \[2\]/,
    );
  });
});
