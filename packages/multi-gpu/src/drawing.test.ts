import { dense } from '@alex/layers-dense';
import { CheckpointError, describeNetwork, type Gpu, type HostTensor, type Layer } from '@alex/tensor';
import type { Network } from '@alex/tensor/network';
import { randomTensor, testGpu } from '@alex/tensor/testing';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { place } from './place.js';

let gpu: Gpu;
const placed: Network[] = [];

beforeAll(async () => {
  gpu = await testGpu();
});

afterEach(() => {
  for (const network of placed.splice(0)) network.dispose();
});

/** Paths of the drawn parameters, in order: drawing one reads its deviation. */
const drawn: string[] = [];

function noting(layer: Layer): Layer {
  return {
    ...layer,
    parameters: (input) =>
      layer.parameters(input).map((parameter) => ({
        ...parameter,
        initial: {
          distribution: 'normal',
          get standardDeviation() {
            drawn.push(`${layer.name}.${parameter.name}`);
            return 0.3;
          },
        },
      })),
  };
}

const paths = ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias'];
const batch = 3;
const images: HostTensor = randomTensor([batch, 1, 2, 2], 1);
const labels = [0, 1, 2];

function network(seed = 1): Network {
  const layers = [dense({ name: 'fc1', units: 5 }), dense({ name: 'fc2', units: 3 })].map(noting);
  const description = describeNetwork({ name: 'noting', input: [1, 2, 2], layers });
  drawn.length = 0;
  const made = place(description, [gpu], { batch, seed });
  placed.push(made);
  return made;
}

test.each<[string, (network: Network) => Promise<unknown>]>([
  ['forward', (network) => network.forward(images)],
  ['evaluate', (network) => network.evaluate(images, labels)],
  ['features', (network) => network.features(images, 'fc1')],
  ['step', (network) => network.step(images, labels)],
  ['gradients', (network) => network.gradients(images, labels)],
  ['statistics', (network) => network.statistics(images, labels)],
  ['parameters', (network) => network.parameters()],
])('%s draws every parameter, once', async (_, operation) => {
  const made = network();
  expect(drawn).toEqual([]);
  await operation(made);
  await operation(made);
  expect(drawn).toEqual(paths);
});

test.runIf(await testGpu().then(({ features }) => features.has('timestamp-query')))('profiles as well', async () => {
  const made = network();
  await made.profile(images, labels);
  expect(drawn).toEqual(paths);
});

test('a network whose parameters are loaded draws none, and has the loaded values', async () => {
  const other = network();
  await other.step(images, labels);
  const learnt = await other.parameters();
  const state = { step: other.stepCount, optimizerState: await other.optimizerState() };
  const resumed = network(2);
  resumed.loadParameters(learnt);
  resumed.loadState(state);
  await resumed.evaluate(images, labels);
  expect(await resumed.parameters()).toEqual(learnt);
  // Both continue in the same way.
  await resumed.step(images, labels);
  expect(drawn).toEqual([]);
  await other.step(images, labels);
  expect(await resumed.parameters()).toEqual(await other.parameters());
});

test('parameters requested by name are drawn, the rest later, with the values of a network that draws all at once', async () => {
  const all = await network().parameters();
  const made = network();
  expect(await made.parameters(['fc2.weight'])).toEqual({ 'fc2.weight': all['fc2.weight'] });
  expect(drawn).toEqual(['fc2.weight']);
  expect(await made.parameters()).toEqual(all);
  expect(drawn).toHaveLength(paths.length);
});

test('fine-tuning draws only the reinitialized layer', async () => {
  const learnt = await network(7).parameters();
  const made = network();
  const begun = await made.parameters(['fc2.weight', 'fc2.bias']);
  const start = { ...learnt, ...begun };
  made.loadParameters(start);
  await made.forward(images);
  expect(drawn).toEqual(['fc2.weight', 'fc2.bias']);
  expect(await made.parameters()).toEqual(start);
});

test('refused parameters leave undrawn ones to be drawn later', async () => {
  const all = await network().parameters();
  const made = network();
  const { 'fc1.bias': _, ...incomplete } = await network(7).parameters();
  drawn.length = 0;
  expect(() => made.loadParameters(incomplete)).toThrow(CheckpointError);
  expect(await made.parameters()).toEqual(all);
  expect(drawn).toEqual(paths);
});
