import { relu } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { ConfigError, describeNetwork, type Gpu, type HostTensor, openGpu } from '@alex/tensor';
import { checkFits, type Network } from '@alex/tensor/network';
import { randomTensor, relativeError, testGpu } from '@alex/tensor/testing';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type PlaceOptions, place } from './place.js';

const description = describeNetwork({
  name: 'little',
  input: [2, 5, 4],
  layers: [
    conv2d({ name: 'conv1', filters: 3, kernel: 3, padding: 1, initial: { weightDeviation: 0.3 } }),
    relu({ name: 'relu1' }),
    dropout({ name: 'dropout1' }),
    dense({ name: 'fc2', units: 6, initial: { weightDeviation: 0.3 } }),
    dropout({ name: 'dropout2', probability: 0.25, inverted: true }),
    dense({ name: 'fc3', units: 3, initial: { weightDeviation: 0.3 } }),
  ],
});
const count = 12;
const images = randomTensor([count, 2, 5, 4], 1);
const labels = Array.from({ length: count }, (_, i) => (i * 7) % 3);

let gpu: Gpu;
const placed: Network[] = [];
beforeAll(async () => {
  gpu = await testGpu();
});
afterEach(() => {
  for (const network of placed.splice(0)) network.dispose();
});

function onGpu(options: PlaceOptions): Network {
  const network = place(description, [gpu], { seed: 5, optimizer: sgd({ learningRate: 0.1 }), ...options });
  placed.push(network);
  return network;
}

function slice({ shape, data }: HostTensor, first: number, count: number): HostTensor {
  const each = data.length / shape[0]!;
  return { shape: [count, ...shape.slice(1)], data: data.slice(first * each, (first + count) * each) };
}

/** One step of as many micro-batches as the network has; their mean loss. */
async function step(network: Network): Promise<number> {
  const { batch, microBatches } = network;
  let loss = 0;
  for (let index = 0; index < microBatches; index++) {
    const own = labels.slice(index * batch, (index + 1) * batch);
    loss += (await network.step(slice(images, index * batch, batch), own)).loss / microBatches;
  }
  return loss;
}

describe('a step of several micro-batches', () => {
  it.each([3])('makes the same update as the whole batch, with dropout: %i', async (microBatches) => {
    const whole = onGpu({ batch: count });
    const divided = onGpu({ batch: count / microBatches, microBatches });
    expect([whole.microBatches, divided.microBatches]).toEqual([1, microBatches]);
    for (let i = 1; i <= 3; i++) {
      expect(await step(divided)).toBeCloseTo(await step(whole), 5);
      expect([whole.stepCount, divided.stepCount]).toEqual([i, i]);
    }
    const [wanted, got] = [await whole.parameters(), await divided.parameters()];
    for (const path of Object.keys(wanted)) {
      expect(relativeError(got[path]!.data, wanted[path]!.data), path).toBeLessThan(1e-5);
    }
    const [velocity, gotVelocity] = [await whole.optimizerState(), await divided.optimizerState()];
    for (const path of Object.keys(velocity)) {
      expect(relativeError(gotVelocity[path]!.data, velocity[path]!.data), path).toBeLessThan(1e-5);
    }
  });

  it('changes nothing before the last of them, and starts again when a state is loaded', async () => {
    const network = onGpu({ batch: 4, microBatches: 3 });
    const [before, state] = [await network.parameters(), await network.optimizerState()];
    await network.step(slice(images, 0, 4), labels.slice(0, 4));
    await network.step(slice(images, 4, 4), labels.slice(4, 8));
    expect(network.stepCount).toBe(0);
    expect(await network.parameters()).toEqual(before);
    network.loadState({ step: 0, optimizerState: state });
    await step(network);
    const untouched = onGpu({ batch: 4, microBatches: 3 });
    await step(untouched);
    expect(await network.parameters()).toEqual(await untouched.parameters());
  });

  it('needs less memory than the whole batch', async () => {
    const wide = describeNetwork({
      name: 'wide',
      input: [3, 32, 32],
      layers: [conv2d({ name: 'conv1', filters: 8, kernel: 3, padding: 1 }), dense({ name: 'fc2', units: 2 })],
    });
    const options = { loss: softmaxCrossEntropy(), optimizer: sgd() };
    const bytes = (batch: number, microBatches: number) =>
      checkFits(wide, gpu, { ...options, batch, microBatches }).totalBytes;
    expect(bytes(4, 8)).toBeLessThan(bytes(32, 1) / 3);
  });

  it('is ordered with other calls: parameters that are loaded right after it stay unchanged', async () => {
    const network = onGpu({ batch: 6, microBatches: 2 });
    const before = await network.parameters();
    for (let index = 0; index < 2; index++) {
      await network.submitStep(slice(images, index * 6, 6), labels.slice(index * 6, (index + 1) * 6));
    }
    network.loadParameters(before);
    expect(await network.parameters()).toEqual(before);
  });

  it.each(['data', 'hybrid'] as const)('makes the same update on two adapters, by %s', async (strategy) => {
    const other = await openGpu({ adapter: gpu.description.index });
    const shared = place(description, [gpu, other], {
      ...{ batch: 4, microBatches: 3, strategy, images: [3, 1] },
      ...{ seed: 5, optimizer: sgd({ learningRate: 0.1 }) },
    });
    try {
      const whole = onGpu({ batch: count });
      for (let i = 1; i <= 2; i++) expect(await step(shared)).toBeCloseTo(await step(whole), 5);
      const [wanted, got] = [await whole.parameters(), await shared.parameters()];
      for (const path of Object.keys(wanted)) {
        expect(relativeError(got[path]!.data, wanted[path]!.data), path).toBeLessThan(1e-5);
      }
    } finally {
      shared.dispose();
      other.dispose();
    }
  });

  it('needs a batch that they divide', () => {
    expect(() => onGpu({ batch: 4, microBatches: 1.5 })).toThrow(ConfigError);
    expect(() => onGpu({ batch: 4, microBatches: 0 })).toThrow(
      /microBatches must be a whole number of at least 1, got 0/,
    );
  });
});
