import { relu } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { sgd } from '@alex/optim';
import { ConfigError, describeNetwork, type Gpu, type HostTensor, openGpu } from '@alex/tensor';
import type { Network, Ranks } from '@alex/tensor/network';
import { localRanks, randomTensor, testGpu } from '@alex/tensor/testing';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type PlaceOptions, place } from './place.js';
import { runningMean } from './running-mean.fixture.js';

const description = describeNetwork({
  name: 'little',
  input: [2, 5, 4],
  columns: 2,
  layers: [
    conv2d({ name: 'conv1', filters: 4, kernel: 3, padding: 1, initial: { weightDeviation: 0.3 } }),
    relu({ name: 'relu1' }),
    dropout({ name: 'dropout1' }),
    { layer: dense({ name: 'fc2', units: 6, initial: { weightDeviation: 0.3 } }), from: 'all' },
    { layer: dense({ name: 'fc3', units: 3, initial: { weightDeviation: 0.3 } }), from: 'all' },
  ],
});
const count = 12;
const images = randomTensor([count, 2, 5, 4], 1);
const labels = Array.from({ length: count }, (_, i) => (i * 7) % 3);

let gpu: Gpu;
const placed: Network[] = [];
const opened: Gpu[] = [];
beforeAll(async () => {
  gpu = await testGpu();
});
afterEach(() => {
  for (const network of placed.splice(0)) network.dispose();
  for (const gpu of opened.splice(0)) gpu.dispose();
});

function onGpus(gpus: readonly Gpu[], options: PlaceOptions, network = description): Network {
  const made = place(network, gpus, { seed: 5, optimizer: sgd({ learningRate: 0.1 }), ...options });
  placed.push(made);
  return made;
}

function slice({ shape, data }: HostTensor, first: number, count: number): HostTensor {
  const each = data.length / shape[0]!;
  return { shape: [count, ...shape.slice(1)], data: data.slice(first * each, (first + count) * each) };
}

/** Takes steps with the network's share of all images, starting at `first`; returns the losses of its micro-batches. */
async function steps(network: Network, first = 0): Promise<number[]> {
  const { batch, microBatches } = network;
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) {
    for (let index = 0; index < microBatches; index++) {
      const at = first + index * batch;
      const { loss } = await network.step(slice(images, at, batch), labels.slice(at, at + batch));
      losses.push(loss);
    }
  }
  return losses;
}

/** A network's parameters and state. */
async function all(network: Network) {
  return [await network.parameters(), await network.optimizerState(), await network.layerState(), network.stepCount];
}

/** Takes the same steps on this many ranks. */
async function stepsOnRanks(size: number, options: PlaceOptions, gpus: readonly Gpu[] = [gpu], network = description) {
  const networks = localRanks(size).map((ranks) => onGpus(gpus, { ...options, ranks }, network));
  const share = count / size;
  await Promise.all(networks.map((network, rank) => steps(network, rank * share)));
  return Promise.all(networks.map(all));
}

describe('ranks', () => {
  it.each([2, 3, 4])('give the same bits as one process with as many micro-batches, with dropout: %i', async (size) => {
    const alone = onGpus([gpu], { batch: count / size, microBatches: size });
    await steps(alone);
    const wanted = await all(alone);
    for (const got of await stepsOnRanks(size, { batch: count / size })) expect(got).toEqual(wanted);
  });

  it('with their own micro-batches agree bit by bit with each other, and up to rounding with one process', async () => {
    const alone = onGpus([gpu], { batch: 3, microBatches: 4 });
    await steps(alone);
    const [first, second] = await stepsOnRanks(2, { batch: 3, microBatches: 2 });
    expect(second).toEqual(first);
    const [wanted, got] = [await alone.parameters(), first![0] as Record<string, HostTensor>];
    for (const path of Object.keys(wanted)) {
      for (const [i, value] of wanted[path]!.data.entries()) expect(got[path]!.data[i]).toBeCloseTo(value, 5);
    }
  });

  it('may have two adapters each, by model', async () => {
    const other = await openGpu({ adapter: gpu.description.index });
    opened.push(other);
    const alone = onGpus([gpu, other], { batch: 6, microBatches: 2, strategy: 'model' });
    await steps(alone);
    const wanted = await all(alone);
    for (const got of await stepsOnRanks(2, { batch: 6, strategy: 'model' }, [gpu, other])) expect(got).toEqual(wanted);
  });

  it('store the mean of their running means', async () => {
    const running = describeNetwork({
      name: 'running',
      input: [2, 5, 4],
      layers: [runningMean({ name: 'norm1' }), dense({ name: 'fc1', units: 3 })],
    });
    const [first, second] = await stepsOnRanks(2, { batch: 6 }, [gpu], running);
    expect(second).toEqual(first);
    expect(Object.keys(first![2] as object).length).toBeGreaterThan(0);
  });

  it('stop if one of them fails to add up', async () => {
    const ranks: Ranks = { rank: 0, size: 2, sum: () => Promise.reject(new ConfigError('rank 1 is gone')) };
    const network = onGpus([gpu], { batch: 4, ranks });
    const step = network.step(slice(images, 0, 4), labels.slice(0, 4));
    await expect(step).rejects.toThrow('rank 1 is gone');
    await expect(network.parameters()).rejects.toThrow('rank 1 is gone');
  });

  it('need different numbers', () => {
    const sum = () => Promise.resolve();
    expect(() => onGpus([gpu], { batch: 4, ranks: { rank: 2, size: 2, sum } })).toThrow(
      /ranks.rank must be a whole number from 0 to 1, got 2/,
    );
  });
});
