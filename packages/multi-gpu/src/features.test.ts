import { relu } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { localResponseNorm } from '@alex/lrn';
import { ConfigError, describeNetwork, type Gpu, openGpu } from '@alex/tensor';
import { randomTensor, relativeError, runLayer } from '@alex/tensor/testing';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type PlaceOptions, place } from './place.js';

const adapter = process.env['ALEX_ADAPTER'];
const open = () => openGpu(adapter ? { adapter } : {});
let gpus: [Gpu, Gpu];
beforeAll(async () => {
  gpus = [await open(), await open()];
});
afterEach(() => {
  for (const gpu of gpus) expect(gpu.liveBuffers).toBe(0);
});
afterAll(() => {
  for (const gpu of gpus) gpu.dispose();
});

const initial = { weightDeviation: 0.3 };
const description = describeNetwork({
  name: 'columns',
  input: [2, 5, 4],
  columns: 2,
  layers: [
    { layer: conv2d({ name: 'conv1', filters: 6, kernel: 3, padding: 1, initial }), from: 'all' },
    relu({ name: 'relu1' }),
    localResponseNorm({ name: 'norm1', size: 3, groups: 2 }),
    { layer: dense({ name: 'fc2', units: 6, initial }), from: 'all' },
    dropout({ name: 'dropout2' }),
    { layer: dense({ name: 'fc3', units: 3, initial }), from: 'all' },
  ],
});
const batch = 5;
// Fewer than a full batch.
const images = randomTensor([4, 2, 5, 4], 1);
const options = { batch, seed: 6 };

/** The activations of each layer, from a chain of layers that run one by one with the network's parameters. */
async function oneByOne(): Promise<Map<string, Awaited<ReturnType<typeof runLayer>>['output']>> {
  const network = place(description, gpus.slice(0, 1), options);
  const parameters = await network.parameters();
  network.dispose();
  const outputs = new Map();
  let input = images;
  for (const { layer, parameters: described } of description.layers) {
    const own = Object.fromEntries(described.map(({ name, path }) => [name, parameters[path]!]));
    input = (await runLayer(gpus[0], layer, { input, parameters: own })).output;
    outputs.set(layer.name, input);
  }
  return outputs;
}

test.each<[string, number, Partial<PlaceOptions>]>([
  ['one adapter', 1, {}],
  ['one adapter, for evaluation only', 1, { training: false }],
  ['two adapters, by model', 2, { strategy: 'model' }],
  ['two adapters, by data', 2, { strategy: 'data' }],
  ['two adapters, by hybrid', 2, { strategy: 'hybrid' }],
])('gives the activations of every layer on %s', async (_, count, more) => {
  const wanted = await oneByOne();
  const network = place(description, gpus.slice(0, count), { ...options, ...more });
  for (const [layer, { shape, data }] of wanted) {
    const got = await network.features(images, layer);
    expect(got.shape, layer).toEqual(shape);
    expect(relativeError(got.data, data), layer).toBeLessThan(1e-5);
  }
  network.dispose();
});

test('equal those of a network that ends there, bit for bit, and change with the parameters', async () => {
  const layers = description.layers.slice(0, 4).map(({ layer, from }) => ({ layer, from }));
  const cut = describeNetwork({ ...description, layers });
  const [network, ending] = [description, cut].map((one) => place(one, gpus.slice(0, 1), options)) as [
    ReturnType<typeof place>,
    ReturnType<typeof place>,
  ];
  for (let step = 0; step < 2; step++) {
    const parameters = await network.parameters(Object.keys(await ending.parameters()));
    ending.loadParameters(parameters);
    expect(await network.features(images, 'fc2')).toEqual(await ending.forward(images));
    await network.step(randomTensor([batch, 2, 5, 4], 2), [0, 1, 2, 1, 0]);
  }
  for (const one of [network, ending]) one.dispose();
});

test('come from a program that is cached, counted and released', async () => {
  const network = place(description, gpus.slice(0, 1), options);
  const before = { bytes: network.memory().totalBytes, live: gpus[0].liveBuffers };
  await network.features(images, 'relu1');
  const after = { bytes: network.memory().totalBytes, live: gpus[0].liveBuffers };
  expect(after.bytes).toBeGreaterThanOrEqual(before.bytes + 4 * batch * 6 * 5 * 4);
  expect(after.live).toBeGreaterThan(before.live);
  await network.features(images, 'relu1');
  expect({ bytes: network.memory().totalBytes, live: gpus[0].liveBuffers }).toEqual(after);
  network.dispose();
});

test('of an unknown layer are refused with a list of the layers', async () => {
  const network = place(description, gpus.slice(0, 1), options);
  const asking = network.features(images, 'relu7');
  await expect(asking).rejects.toThrow(ConfigError);
  await expect(asking).rejects.toThrow(/has no layer relu7; its layers are conv1, relu1, norm1, fc2, dropout2, fc3/);
  network.dispose();
});
