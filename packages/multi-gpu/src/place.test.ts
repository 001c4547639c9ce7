import { relu, tanh } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { sgd } from '@alex/optim';
import {
  ConfigError,
  describeNetwork,
  GPUBufferUsage,
  type Gpu,
  type HostTensor,
  type Layer,
  type LayerOptions,
  type NetworkDescription,
  ShapeError,
} from '@alex/tensor';
import type { Network, StepResult, StepUnderWay } from '@alex/tensor/network';
import { randomTensor, relativeError, testGpu } from '@alex/tensor/testing';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { runReadme } from '../../../readme.base.js';
import { type PlaceOptions, place } from './place.js';

let gpu: Gpu;
let buffersBefore: number;

beforeAll(async () => {
  gpu = await testGpu();
});

beforeEach(() => {
  buffersBefore = gpu.liveBuffers;
});

const placed: Network[] = [];

afterEach(() => {
  for (const network of placed.splice(0)) network.dispose();
  expect(gpu.liveBuffers).toBe(buffersBefore);
});

function onGpu(description: NetworkDescription, options: Partial<PlaceOptions> = {}): Network {
  const network = place(description, [gpu], { batch, ...options });
  placed.push(network);
  return network;
}

const spread = { weightDeviation: 0.3 };

const small = (extra: readonly Layer[] = [], activation: (options: LayerOptions) => Layer = relu) =>
  describeNetwork({
    name: 'small',
    input: [2, 5, 4],
    layers: [
      conv2d({ name: 'conv1', filters: 3, kernel: 3, padding: 1, initial: spread }),
      activation({ name: 'act1' }),
      dense({ name: 'fc2', units: 7, initial: spread }),
      tanh({ name: 'tanh2' }),
      ...extra,
      dense({ name: 'fc3', units: 3, initial: spread }),
    ],
  });

const batch = 6;
const images = randomTensor([batch, 2, 5, 4], 11);
const labels = [0, 1, 2, 2, 1, 0];

function firstImages(tensor: HostTensor, count: number): HostTensor {
  const [images = 1, ...rest] = tensor.shape;
  return { shape: [count, ...rest], data: tensor.data.slice(0, (tensor.data.length / images) * count) };
}

describe('place', () => {
  test('learns: the loss of a repeated batch goes to zero', async () => {
    const network = onGpu(small(), { optimizer: sgd({ learningRate: 0.1, weightDecay: 0 }) });
    const first = await network.step(images, labels);
    expect(first.loss).toBeGreaterThan(0.5);
    let last = first;
    for (let step = 0; step < 60; step++) last = await network.step(images, labels);
    expect(last.loss).toBeLessThan(0.05);
    expect(last.top1Error).toBe(0);
    expect(network.stepCount).toBe(61);
  });

  test('its gradients are the slopes of the mean loss (central differences on every parameter)', async () => {
    const network = onGpu(small([], tanh));
    const gradients = await network.gradients(images, labels);
    const parameters = await network.parameters();
    const [first] = Object.keys(parameters);
    expect(await network.parameters([first!])).toEqual({ [first!]: parameters[first!] });
    const meanLoss = async () => {
      network.loadParameters(parameters);
      const { losses } = await network.evaluate(images, labels);
      return losses.reduce((sum, loss) => sum + loss, 0) / batch;
    };
    const step = 1e-2;
    for (const [path, gradient] of Object.entries(gradients)) {
      const values = parameters[path]!.data;
      const picked = [0, Math.floor(values.length / 2), values.length - 1];
      for (const index of picked) {
        const value = values[index]!;
        values[index] = value + step;
        const above = await meanLoss();
        values[index] = value - step;
        const below = await meanLoss();
        values[index] = value;
        expect(Math.abs((above - below) / (2 * step) - gradient.data[index]!)).toBeLessThan(2e-3);
      }
    }
  });

  test("one step is the paper's rule on those gradients", async () => {
    const optimizer = sgd({ learningRate: 0.02, momentum: 0.9, weightDecay: 0.01 });
    const network = onGpu(small(), { optimizer });
    const before = await network.parameters();
    const gradients = await network.gradients(images, labels);
    await network.step(images, labels);
    const after = await network.parameters();
    for (const [path, { data }] of Object.entries(before)) {
      const decay = path.endsWith('weight') ? 0.01 : 0;
      const expected = Array.from(
        data,
        (value, index) => value - 0.02 * (gradients[path]!.data[index]! + decay * value),
      );
      expect(relativeError(after[path]!.data, expected)).toBeLessThan(1e-6);
    }
  });

  test('fewer images than the batch give the same scores as a full batch', async () => {
    const network = onGpu(small());
    const all = await network.forward(images);
    expect(all.shape).toEqual([batch, 3]);
    for (const count of [1, 2, 5]) {
      const some = await network.forward(firstImages(images, count));
      expect(some.shape).toEqual([count, 3]);
      expect([...some.data]).toEqual([...all.data.subarray(0, count * 3)]);
    }
  });

  test('the same seed gives the same bits, another seed others', async () => {
    const train = async (seed: number) => {
      const network = onGpu(small([dropout({ name: 'drop2', probability: 0.5 })]), { seed });
      for (let step = 0; step < 3; step++) await network.step(images, labels);
      const parameters = await network.parameters();
      network.dispose();
      return parameters;
    };
    const [one, again, other] = [await train(1), await train(1), await train(2)];
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
  });

  test('parameters, optimizer state and step carry a training over to another network, bit for bit', async () => {
    const description = small([dropout({ name: 'drop2', probability: 0.5 })]);
    const whole = onGpu(description, { seed: 5 });
    for (let step = 0; step < 3; step++) await whole.step(images, labels);
    const parameters = await whole.parameters();
    const state = { step: whole.stepCount, optimizerState: await whole.optimizerState() };
    for (let step = 0; step < 3; step++) await whole.step(images, labels);

    const resumed = onGpu(description, { seed: 5 });
    resumed.loadParameters(parameters);
    resumed.loadState(state);
    for (let step = 0; step < 3; step++) await resumed.step(images, labels);
    expect(await resumed.parameters()).toEqual(await whole.parameters());
    expect(resumed.stepCount).toBe(6);
  });

  test('concurrent calls take turns', async () => {
    const patient = onGpu(small());
    const losses: number[] = [];
    for (let step = 0; step < 4; step++) losses.push((await patient.step(images, labels)).loss);
    const hasty = onGpu(small());
    const results = await Promise.all(Array.from({ length: 4 }, () => hasty.step(images, labels)));
    expect(results.map(({ loss }) => loss)).toEqual(losses);
  });

  test('steps in flight give the same results and parameters as awaited steps', async () => {
    const description = small([dropout({ name: 'drop2', probability: 0.5 })]);
    const patient = onGpu(description);
    const expected: StepResult[] = [];
    for (let step = 0; step < 5; step++) expected.push(await patient.step(images, labels));
    const hasty = onGpu(description);
    const steps: StepUnderWay[] = [];
    for (let step = 0; step < 5; step++) steps.push(await hasty.submitStep(images, labels));
    expect(hasty.stepCount).toBe(5);
    // Requested in any order, and twice.
    const last = await steps[4]!.result();
    const results = await Promise.all(steps.map((step) => step.result()));
    expect(results).toEqual(expected);
    expect(last).toEqual(expected[4]);
    expect(await hasty.parameters()).toEqual(await patient.parameters());
  });

  test('a refused step does not affect those in flight', async () => {
    const network = onGpu(small());
    const first = await network.submitStep(images, labels);
    await expect(network.submitStep(images, labels.slice(1))).rejects.toThrow(/6 images need 6 labels/);
    const second = await network.submitStep(images, labels);
    const [one, two] = [await first.result(), await second.result()];
    const patient = onGpu(small());
    expect([one, two]).toEqual([await patient.step(images, labels), await patient.step(images, labels)]);
  });

  test('images and labels may be overwritten as soon as a step is in flight', async () => {
    const [mine, own] = [{ shape: images.shape, data: images.data.slice() }, [...labels]];
    const network = onGpu(small());
    const step = await network.submitStep(mine, own);
    mine.data.fill(0);
    own.fill(0);
    expect(await step.result()).toEqual(await onGpu(small()).step(images, labels));
  });

  test('a step allocates nothing on the adapter', async () => {
    const network = onGpu(small([dropout({ name: 'drop2', probability: 0.5 })]));
    await network.step(images, labels);
    const { device } = gpu;
    const made: string[] = [];
    const makers = Object.getOwnPropertyNames(Object.getPrototypeOf(device)).filter(
      (name) => name.startsWith('create') && name !== 'createCommandEncoder',
    ) as 'createBuffer'[];
    expect(makers).toEqual(expect.arrayContaining(['createBuffer', 'createBindGroup', 'createShaderModule']));
    const spies = makers.map((name) => {
      const make = device[name].bind(device);
      return vi.spyOn(device, name).mockImplementation((...given) => {
        made.push(name);
        return make(...given);
      });
    });
    try {
      for (let step = 0; step < 4; step++) await network.step(images, labels);
      await network.submitStep(network.input, labels);
      await network.step(network.input, labels);
      expect(made).toEqual([]);
      gpu.destroyBuffer(gpu.createBuffer({ label: 'seen', size: 4, usage: GPUBufferUsage.STORAGE }));
      expect(made).toEqual(['createBuffer']);
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  });

  test('a learning rate given for one step applies to that step', async () => {
    const network = onGpu(small());
    const before = await network.parameters();
    await network.step(images, labels, { learningRate: 0 });
    expect(await network.parameters()).toEqual(before);
    await network.step(images, labels);
    expect(await network.parameters()).not.toEqual(before);
  });

  test('accepts a tensor on the adapter as the batch', async () => {
    const network = onGpu(small());
    const wanted = await network.forward(images);
    // The images of the call before are still there.
    expect(await network.forward(network.input)).toEqual(wanted);
  });

  test('wrong images, labels and parameters are refused by name', async () => {
    const network = onGpu(small());
    await expect(network.forward(randomTensor([batch, 3, 5, 4], 1))).rejects.toThrow(
      /small: takes \[1 to 6, 2, 5, 4\].*got \[6, 3, 5, 4\]/,
    );
    await expect(network.forward(randomTensor([batch + 1, 2, 5, 4], 1))).rejects.toThrow(/got \[7, 2, 5, 4\]/);
    await expect(network.step(firstImages(images, 5), labels.slice(0, 5))).rejects.toThrow(/takes \[6, 2, 5, 4\]/);
    await expect(network.step(images, labels.slice(1))).rejects.toThrow(/6 images need 6 labels, got 5/);
    await expect(network.step(images, [0, 1, 2, 3, 1, 0])).rejects.toThrow(/label 3 of image 3 is not one of 0 to 2/);
    await expect(network.step({ shape: [6, 2, 5, 4], data: new Float32Array(3) }, labels)).rejects.toThrow(
      /needs 240 values, got 3/,
    );
    const plain = { shape: [6, 2, 5, 4], data: Array.from(images.data) } as unknown as HostTensor;
    await expect(network.step(plain, labels)).rejects.toThrow(ShapeError);
    await expect(network.step(plain, labels)).rejects.toThrow(/images: data must be a Float32Array, got Array/);
    const parameters = await network.parameters();
    const { 'fc3.bias': _, ...missing } = parameters;
    expect(() => network.loadParameters(missing)).toThrow(/fc3.bias is missing/);
    expect(() => network.loadParameters({ ...parameters, 'fc9.bias': parameters['fc3.bias']! })).toThrow(
      /no parameter called fc9.bias/,
    );
    expect(() => network.loadParameters({ ...parameters, 'fc3.bias': randomTensor([4], 1) })).toThrow(
      /fc3.bias must have the shape \[3\], got \[4\]/,
    );
    network.dispose();
    await expect(network.forward(images)).rejects.toThrow(/disposed/);
  });

  test('wrong options are refused before any memory is taken', () => {
    for (const wrong of [0, -1, 1.5, Number.NaN]) {
      expect(() => place(small(), [gpu], { batch: wrong })).toThrow(/batch must be a whole number/);
      if (wrong !== 0)
        expect(() => place(small(), [gpu], { batch, seed: wrong })).toThrow(/seed must be a whole number/);
    }
    expect(() => place(small(), [], { batch })).toThrow(/at least one adapter/);
    expect(() => place(small(), gpu as unknown as Gpu[], { batch })).toThrow(ConfigError);
    expect(() => place(small(), gpu as unknown as Gpu[], { batch })).toThrow(/as an array: place\(network, \[gpu\]/);
    for (const input of [[4], [3, 5], [1, 2, 3, 4], [0, 5, 5], [3, 5.5, 5]]) {
      const describing = () => describeNetwork({ name: 'n', input, layers: [conv2d({ filters: 1, kernel: 1 })] });
      expect(describing).toThrow(ShapeError);
      expect(describing).toThrow(/n: input must be one image, \[C, H, W\], got/);
    }
    const unscored = describeNetwork({ name: 'maps', input: [1, 3, 3], layers: [conv2d({ filters: 1, kernel: 1 })] });
    expect(() => place(unscored, [gpu], { batch })).toThrow(/one score per class.*\[N, 1, 3, 3\]/);
  });

  test('a network that cannot be created leaves no buffers behind', () => {
    const broken: Layer = {
      ...relu({ name: 'broken' }),
      forward: () => {
        throw new ConfigError('broken: does not work');
      },
    };
    expect(() => place(small([broken]), [gpu], { batch })).toThrow('broken: does not work');
    // Buffers are counted after every test.
  });

  test('a network for evaluation needs less memory and refuses to learn', async () => {
    const learner = onGpu(small());
    const judge = onGpu(small(), { training: false });
    expect(judge.memory().stateBytes).toBe(0);
    expect(judge.memory().activationBytes).toBeLessThan(learner.memory().activationBytes);
    expect(await judge.forward(images)).toEqual(await learner.forward(images));
    await expect(judge.step(images, labels)).rejects.toThrow(/training: false, so it cannot/);
  });
});

test('the snippet of the README runs', () => runReadme(import.meta.url));
