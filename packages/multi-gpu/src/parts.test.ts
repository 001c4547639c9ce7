import { relu } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import {
  AlexError,
  ConfigError,
  checkFits,
  describeNetwork,
  type Gpu,
  type HostTensor,
  MemoryError,
  type Network,
  openGpu,
} from '@alex/tensor';
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
const images = 12;
const pictures = randomTensor([images, 2, 5, 4], 1);
const labels = Array.from({ length: images }, (_, i) => (i * 7) % 3);

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

/** One step, in as many parts as the network has; the mean loss of them. */
async function step(network: Network): Promise<number> {
  const { batch, parts } = network;
  let loss = 0;
  for (let part = 0; part < parts; part++) {
    const own = labels.slice(part * batch, (part + 1) * batch);
    loss += (await network.step(slice(pictures, part * batch, batch), own)).loss / parts;
  }
  return loss;
}

describe('a step in parts', () => {
  it.each([3])('makes the update of the whole batch with its dropout, in %i parts', async (parts) => {
    const whole = onGpu({ batch: images });
    const inParts = onGpu({ batch: images / parts, parts });
    expect([whole.parts, inParts.parts]).toEqual([1, parts]);
    for (let i = 1; i <= 3; i++) {
      expect(await step(inParts)).toBeCloseTo(await step(whole), 5);
      expect([whole.stepCount, inParts.stepCount]).toEqual([i, i]);
    }
    const [wanted, got] = [await whole.parameters(), await inParts.parameters()];
    for (const path of Object.keys(wanted)) {
      expect(relativeError(got[path]!.data, wanted[path]!.data), path).toBeLessThan(1e-5);
    }
    const [velocity, gotVelocity] = [await whole.optimizerState(), await inParts.optimizerState()];
    for (const path of Object.keys(velocity)) {
      expect(relativeError(gotVelocity[path]!.data, velocity[path]!.data), path).toBeLessThan(1e-5);
    }
  });

  it('changes nothing before its last part, and begins anew where a state is loaded', async () => {
    const network = onGpu({ batch: 4, parts: 3 });
    const [before, state] = [await network.parameters(), await network.optimizerState()];
    await network.step(slice(pictures, 0, 4), labels.slice(0, 4));
    await network.step(slice(pictures, 4, 4), labels.slice(4, 8));
    expect(network.stepCount).toBe(0);
    expect(await network.parameters()).toEqual(before);
    network.loadState({ step: 0, optimizerState: state });
    await step(network);
    const untouched = onGpu({ batch: 4, parts: 3 });
    await step(untouched);
    expect(await network.parameters()).toEqual(await untouched.parameters());
  });

  it('takes less memory than the whole batch', async () => {
    const wide = describeNetwork({
      name: 'wide',
      input: [3, 32, 32],
      layers: [conv2d({ name: 'conv1', filters: 8, kernel: 3, padding: 1 }), dense({ name: 'fc2', units: 2 })],
    });
    const options = { loss: softmaxCrossEntropy(), optimizer: sgd() };
    const bytes = (batch: number, parts: number) => checkFits(wide, gpu, { ...options, batch, parts }).totalBytes;
    expect(bytes(4, 8)).toBeLessThan(bytes(32, 1) / 3);
  });

  it('needs a whole number of parts', () => {
    expect(() => onGpu({ batch: 4, parts: 1.5 })).toThrow(ConfigError);
    expect(() => onGpu({ batch: 4, parts: 0 })).toThrow(/parts must be a whole number of at least 1, got 0/);
  });
});

describe('memory', () => {
  it('is predicted, with the largest batch that fits', async () => {
    const options = { loss: softmaxCrossEntropy(), optimizer: sgd() };
    const { totalBytes } = checkFits(description, gpu, { ...options, batch: 200 });
    const narrow = await openGpu({ adapter: gpu.description.index, memoryBytes: totalBytes });
    try {
      const failure = await Promise.resolve()
        .then(() => checkFits(description, narrow, { ...options, batch: 400 }))
        .catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(MemoryError);
      const largest = Number(/the largest batch that fits is (\d+)/.exec(String(failure))?.[1]);
      expect(largest).toBeGreaterThan(50);
      expect(largest).toBeLessThan(200);
      expect(checkFits(description, narrow, { ...options, batch: largest }).totalBytes).toBeLessThanOrEqual(totalBytes);
      expect(() => checkFits(description, narrow, { ...options, batch: largest + 1 })).toThrow(MemoryError);
      // What is promised to fit does, and what does not leaves nothing behind.
      place(description, [narrow], { ...options, batch: largest }).dispose();
      expect(() => place(description, [narrow], { ...options, batch: 400 })).toThrow(AlexError);
      expect(narrow.liveBuffers).toBe(0);
    } finally {
      narrow.dispose();
    }
  });

  it('says where not even one picture fits', async () => {
    const narrow = await openGpu({ adapter: gpu.description.index, memoryBytes: 100 });
    try {
      const options = { loss: softmaxCrossEntropy(), optimizer: sgd(), batch: 4 };
      expect(() => checkFits(description, narrow, options)).toThrow(/not even a batch of 1 fits/);
    } finally {
      narrow.dispose();
    }
  });
});
