import { relu } from '@alex/activations';
import { dropout } from '@alex/dropout';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { localResponseNorm } from '@alex/lrn';
import { sgd } from '@alex/optim';
import {
  AdapterError,
  describeNetwork,
  type Gpu,
  type HostTensor,
  type NetworkDescription,
  openGpu,
} from '@alex/tensor';
import type { Network } from '@alex/tensor/network';
import { randomTensor, relativeError } from '@alex/tensor/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type PlaceOptions, place } from './place.js';
import { measureRates } from './rates.js';

const adapter = process.env['ALEX_ADAPTER'];
const open = () => openGpu(adapter ? { adapter } : {});

let gpus: Gpu[];
/** The same, with kernels chosen as for GPUs. */
let likeHardware: Gpu[];
const placed: Network[] = [];

beforeAll(async () => {
  gpus = [await open(), await open()];
  likeHardware = [await open(), await open()];
  for (const gpu of likeHardware) {
    Object.defineProperty(gpu, 'description', { value: { ...gpu.description, kind: 'hardware' } });
  }
});

afterEach(() => {
  for (const network of placed.splice(0)) network.dispose();
  for (const gpu of [...gpus, ...likeHardware]) expect(gpu.liveBuffers).toBe(0);
});

afterAll(() => {
  for (const gpu of [...gpus, ...likeHardware]) gpu.dispose();
});

const spread = { weightDeviation: 0.3 };

/** Columns that meet before `conv3` and before each dense layer. No number of images or units is a multiple of four. */
function inColumns(columns: number, classes = 5): NetworkDescription {
  return describeNetwork({
    name: 'columns',
    input: [2, 5, 5],
    columns,
    layers: [
      { layer: conv2d({ name: 'conv1', filters: 2 * columns, kernel: 3, padding: 1, initial: spread }), from: 'all' },
      relu({ name: 'relu1' }),
      localResponseNorm({ name: 'norm1', size: 3, groups: columns }),
      conv2d({ name: 'conv2', filters: 2 * columns, groups: columns, kernel: 3, padding: 1, initial: spread }),
      { layer: conv2d({ name: 'conv3', filters: 3 * columns, kernel: 3, initial: spread }), from: 'all' },
      relu({ name: 'relu3' }),
      { layer: dense({ name: 'fc4', units: 4 * columns, initial: spread }), from: 'all' },
      dropout({ name: 'dropout4' }),
      { layer: dense({ name: 'fc5', units: classes, initial: spread }), from: 'all' },
    ],
  });
}

const batch = 5;
const images = randomTensor([batch, 2, 5, 5], 11);
const labels = [0, 1, 2, 3, 4];

function onGpus(description: NetworkDescription, on: readonly Gpu[], options: Partial<PlaceOptions> = {}): Network {
  const optimizer = sgd({ learningRate: 0.02 });
  const network = place(description, on, { batch, seed: 1, optimizer, ...options });
  placed.push(network);
  return network;
}

function expectAlike(got: Record<string, HostTensor>, wanted: Record<string, HostTensor>, tolerance: number) {
  expect(Object.keys(got)).toEqual(Object.keys(wanted));
  for (const [path, { shape, data }] of Object.entries(wanted)) {
    expect(got[path]!.shape, path).toEqual(shape);
    expect(relativeError(got[path]!.data, data), path).toBeLessThan(tolerance);
  }
}

/**
 * Scores have the same bits if placements choose the same kernels. On GPUs, kernels of a part split sums differently than
 * those of the whole.
 */
function expectSameScores({ description }: Gpu, got: HostTensor, wanted: HostTensor, what?: string) {
  if (description.kind === 'software') expect([...got.data], what).toEqual([...wanted.data]);
  else expect(relativeError(got.data, wanted.data), what).toBeLessThan(1e-5);
}

const bitsOf = (tensors: Record<string, HostTensor>) =>
  Object.fromEntries(Object.entries(tensors).map(([path, { data }]) => [path, [...data]]));

/** 50 steps on one adapter, for all comparisons. */
const learnt = new Map<number, Promise<Awaited<ReturnType<typeof learn>>>>();

async function learn(network: Network) {
  const gradients = await network.gradients(images, labels);
  const losses: number[] = [];
  for (let step = 0; step < 50; step++) losses.push((await network.step(images, labels)).loss);
  const evaluation = await network.evaluate(images, labels);
  const state = await network.optimizerState();
  return { gradients, losses, evaluation, state, parameters: await network.parameters() };
}

function onOne(columns: number) {
  let run = learnt.get(columns);
  if (!run) {
    run = learn(onGpus(inColumns(columns), [gpus[0]!]));
    learnt.set(columns, run);
  }
  return run;
}

describe('gives the numbers of one adapter:', () => {
  test.each([
    { columns: 2, strategy: 'model' },
    { columns: 3, strategy: 'model' },
    { columns: 2, strategy: 'model', splitSums: true },
    { columns: 2, strategy: 'data' },
    { columns: 2, strategy: 'data', images: [4, 1] },
    { columns: 2, strategy: 'hybrid' },
  ] as const)('50 steps: %o', async ({ columns, ...options }) => {
    const wanted = await onOne(columns);
    const got = await learn(onGpus(inColumns(columns), gpus, options));
    expectAlike(got.gradients, wanted.gradients, 1e-5);
    wanted.losses.forEach((loss, step) => {
      expect(Math.abs(got.losses[step]! / loss - 1), `loss of step ${step}`).toBeLessThan(1e-4);
    });
    expectAlike(got.parameters, wanted.parameters, 1e-3);
    expectAlike(got.state, wanted.state, 1e-2);
    expect(relativeError(got.evaluation.losses, wanted.evaluation.losses)).toBeLessThan(1e-3);
    expect(got.evaluation.top1Errors).toEqual(wanted.evaluation.top1Errors);
  });

  test('a network of one column, layers that read their own column, windows across columns, too few units for columns', async () => {
    const description = describeNetwork({
      name: 'odd',
      input: [2, 4, 4],
      columns: 2,
      layers: [
        conv2d({ name: 'conv1', filters: 6, kernel: 3, padding: 1, groups: 2, initial: spread }),
        localResponseNorm({ name: 'norm1', size: 3, alpha: 0.1 }),
        dense({ name: 'fc2', units: 3, initial: spread }),
        dropout({ name: 'dropout2' }),
      ],
    });
    for (const columns of [1, 2]) {
      const [one, two] = [[gpus[0]!], gpus].map((on) => onGpus({ ...description, columns }, on));
      const few = labels.map((label) => label % 3);
      expectAlike(await two!.gradients(images2, few), await one!.gradients(images2, few), 1e-5);
    }
  });

  test.for(['as they are', 'as GPUs'] as const)(
    'bits are the same if the order of sums is: scores, and replicas that share no images (adapters %s)',
    async (kind) => {
      const on = kind === 'as GPUs' ? likeHardware : gpus;
      const one = onGpus(inColumns(2), [on[0]!]);
      const wanted = await one.forward(images);
      for (const strategy of ['model', 'data', 'hybrid'] as const) {
        const network = onGpus(inColumns(2), on, { strategy });
        expectSameScores(on[0]!, await network.forward(images), wanted, strategy);
      }
    },
  );

  test('mixed precision: the same up to f16 rounding, and a step that overflows on one adapter is skipped on all', async ({
    skip,
  }) => {
    if (!gpus.every(({ features }) => features.has('shader-f16'))) skip();
    const one = onGpus(inColumns(2), [gpus[0]!], { precision: 'mixed' });
    const wanted = await one.gradients(images, labels);
    for (const strategy of ['model', 'data'] as const) {
      const network = onGpus(inColumns(2), gpus, { precision: 'mixed', strategy });
      expectAlike(await network.gradients(images, labels), wanted, 2e-2);
      const before = bitsOf(await network.parameters());
      await network.step({ ...images, data: images.data.map((value) => value * 1e5) }, labels);
      expect(bitsOf(await network.parameters())).toEqual(before);
      expect([...(await network.optimizerState())['lossScale']!.data]).toEqual([2 ** 15, 0, 1]);
      await network.step(images, labels);
      expect(bitsOf(await network.parameters())).not.toEqual(before);
    }
  });

  test('activations sent as f16 take half as many bytes, and gradients are right up to its rounding', async ({
    skip,
  }) => {
    if (!gpus.every(({ features }) => features.has('shader-f16'))) {
      expect(() => onGpus(inColumns(2), gpus, { exchangeIn: 'f16' })).toThrow(/need the feature shader-f16/);
      skip();
    }
    const wanted = await onGpus(inColumns(2), [gpus[0]!]).gradients(images, labels);
    for (const strategy of ['model', 'hybrid'] as const) {
      const [exact, rounded] = [{}, { exchangeIn: 'f16' as const }].map((options) =>
        onGpus(inColumns(2), gpus, { strategy, ...options }),
      );
      expectAlike(await rounded!.gradients(images, labels), wanted, 5e-3);
      const bytesOf = (network: Network, name: string) =>
        network.table().rows.find((row) => row.name === name)!.exchangedBytes!;
      // A slice consists of whole words.
      expect(bytesOf(rounded!, 'fc4') / bytesOf(exact!, 'fc4')).toBeCloseTo(0.5, 1);
      expect(bytesOf(rounded!, 'loss')).toBe(bytesOf(exact!, 'loss'));
    }
  });

  test('the same bits every time', async () => {
    const steps = async () => {
      const network = onGpus(inColumns(2), gpus);
      for (let step = 0; step < 3; step++) await network.step(images, labels);
      return bitsOf(await network.parameters());
    };
    expect(await steps()).toEqual(await steps());
  });
});

const images2 = randomTensor([batch, 2, 4, 4], 12);

describe('the interface of one adapter', () => {
  test('a training moves from two adapters to one and back, and partial batches are evaluated', async () => {
    const two = onGpus(inColumns(2), gpus);
    for (let step = 0; step < 2; step++) await two.step(images, labels);
    const one = onGpus(inColumns(2), [gpus[1]!]);
    one.loadParameters(await two.parameters());
    one.loadState({ step: two.stepCount, optimizerState: await two.optimizerState() });
    const some = { shape: [2, 2, 5, 5], data: images.data.slice(0, 100) };
    expectSameScores(gpus[0]!, await two.forward(some), await one.forward(some));
    const back = onGpus(inColumns(2), gpus, { strategy: 'hybrid' });
    back.loadParameters(await one.parameters());
    back.loadState({ step: one.stepCount, optimizerState: await one.optimizerState() });
    expect(bitsOf(await back.parameters())).toEqual(bitsOf(await two.parameters()));
    const losses = [await back.step(images, labels), await two.step(images, labels)].map(({ loss }) => loss);
    expect(losses[0]).toBeCloseTo(losses[1]!, 5);
  });

  test('steps in flight give the results of awaited steps, and allocate nothing', async () => {
    const patient = onGpus(inColumns(2), gpus);
    const expected = [];
    for (let step = 0; step < 4; step++) expected.push(await patient.step(images, labels));
    const hasty = onGpus(inColumns(2), gpus);
    // Background work is done at this point.
    for (const network of [patient, hasty]) await network.forward(images);
    const first = await hasty.step(images, labels);
    const parameters = await hasty.parameters();
    const made: string[] = [];
    const spies = gpus.flatMap(({ device }) =>
      (['createBuffer', 'createBindGroup', 'createShaderModule', 'createComputePipelineAsync'] as const).map((name) => {
        const make = (device[name] as (...given: unknown[]) => unknown).bind(device);
        return vi.spyOn(device, name).mockImplementation(((...given: unknown[]) => {
          made.push(name);
          return make(...given);
        }) as never);
      }),
    );
    try {
      const mine = { shape: images.shape, data: images.data.slice() };
      const steps = [];
      for (let step = 1; step < 4; step++) {
        mine.data.set(images.data);
        steps.push(await hasty.submitStep(mine, labels));
        // The caller's data may be overwritten.
        mine.data.fill(0);
      }
      expect(() => hasty.loadParameters(parameters)).toThrow(/a step is in flight on several adapters/);
      const results = await Promise.all(steps.map((step) => step.result()));
      expect([first, ...results]).toEqual(expected);
      expect(made).toEqual([]);
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
    expect(bitsOf(await hasty.parameters())).toEqual(bitsOf(await patient.parameters()));
  });

  test('images that are already on the adapters are used in place', async () => {
    const network = onGpus(inColumns(2), gpus, { strategy: 'data' });
    expect(network.inputs.map(({ gpu, tensor, firstImage }) => [gpu, tensor.shape[0], firstImage])).toEqual([
      [gpus[0], 3, 0],
      [gpus[1], 2, 3],
    ]);
    const wanted = await network.forward(images);
    expect(await network.forward(network.input)).toEqual(wanted);
    const other = { ...network.input };
    await expect(network.forward(other)).rejects.toThrow(/fill all of its inputs|takes \[1 to 5/);
  });

  test('the table counts the bytes that columns exchange', () => {
    const bytes = ({ rows }: ReturnType<Network['table']>) =>
      Object.fromEntries(
        rows.flatMap(({ name, exchangedBytes = 0 }) => (exchangedBytes > 0 ? [[name, exchangedBytes]] : [])),
      );
    const float = 4;
    // What a layer that reads all columns lacks is sent once in the forward pass, and its gradient once in the backward
    // pass.
    expect(bytes(onGpus(inColumns(2), gpus).table())).toEqual({
      conv3: 2 * 4 * 25 * batch * float,
      fc4: 2 * 6 * 9 * batch * float,
      fc5: 2 * 8 * batch * float,
      loss: 5 * batch * float,
    });
    const description = inColumns(2);
    const weights = Object.fromEntries(
      description.layers
        .filter(({ parameters }) => parameters.length > 0)
        .map(({ layer }, index) => [
          layer.name,
          description.table().rows.filter((row) => row.parameters > 0)[index]!.parameterBytes,
        ]),
    );
    // Each adapter sends its gradients to the other.
    const twice = Object.fromEntries(Object.entries(weights).map(([name, count]) => [name, 2 * count]));
    expect(bytes(onGpus(description, gpus, { strategy: 'data' }).table())).toEqual({
      ...twice,
      loss: 5 * batch * float,
    });
    const { conv1, conv2, conv3 } = twice;
    expect(bytes(onGpus(description, gpus, { strategy: 'hybrid' }).table())).toEqual({
      conv1,
      conv2,
      conv3,
      fc4: 2 * 6 * 9 * batch * float,
      fc5: 2 * 8 * batch * float,
      loss: 5 * batch * float,
    });
    expect(
      onGpus(description, [gpus[0]!])
        .table()
        .rows.some((row) => 'exchangedBytes' in row),
    ).toBe(false);
  });

  test('each adapter takes about half of the memory for parameters', () => {
    const { parameterBytes, adapters } = onGpus(inColumns(2), gpus).memory();
    expect(parameterBytes).toBe(4 * inColumns(2).parameterCount);
    expect(adapters!.map((plan) => plan.parameterBytes / parameterBytes)).toEqual([
      expect.closeTo(0.5, 1),
      expect.closeTo(0.5, 1),
    ]);
  });

  test('wrong use is refused before any memory is taken', () => {
    const refused = (on: readonly Gpu[], options: Partial<PlaceOptions>, message: RegExp, description = inColumns(2)) =>
      expect(() => place(description, on, { batch, ...options })).toThrow(message);
    refused([gpus[0]!, gpus[0]!], {}, /the same adapter was given twice/);
    refused(gpus, { strategy: 'both' as 'model' }, /strategy must be model, data, hybrid or auto, got both/);
    refused(gpus, { strategy: 'data', images: [5, 0] }, /images must be 2 whole numbers .* batch of 5, got 5, 0/);
    refused(gpus, { strategy: 'data', images: [3, 3] }, /batch of 5, got 3, 3/);
    refused(gpus, { strategy: 'data', batch: 1 }, /batch of 1 cannot be divided among 2 adapters/);
    refused(gpus, { exchangeIn: 'f8' as 'f16' }, /exchangeIn must be f16 or omitted, got f8/);
    refused(gpus, { strategy: 'auto' }, /rates: await measureRates\(gpus\)/);
    refused(gpus, { batch: 0 }, /batch must be a whole number/);
    refused(gpus, {}, /fc5 has 1 maps or units, too few for 2 adapters/, inColumns(2, 1));
  });
});

test('auto follows the measured rates: a slow adapter gets few images', async () => {
  const rates = await measureRates(gpus);
  expect(rates.multiplyAddsPerSecond).toHaveLength(2);
  for (const rate of [...rates.multiplyAddsPerSecond, rates.exchangeBytesPerSecond, rates.exchangeSeconds]) {
    expect(rate).toBeGreaterThan(0);
  }
  const uneven = { multiplyAddsPerSecond: [4e9, 1e9], exchangeBytesPerSecond: 1e12, exchangeSeconds: 0 };
  const network = onGpus(inColumns(2), gpus, { strategy: 'auto', rates: uneven });
  expect(network.inputs.map(({ tensor }) => tensor.shape[0])).toEqual([4, 1]);
});

describe('an adapter that is lost', () => {
  /** Few kernels, since every fresh device compiles them again. */
  const small = describeNetwork({
    name: 'small',
    input: [2, 5, 5],
    layers: [
      dense({ name: 'fc1', units: 8, initial: spread }),
      relu(),
      dense({ name: 'fc2', units: 5, initial: spread }),
    ],
  });

  /** Loses an adapter after this many more submissions to it: in the middle of a step. */
  function loseAfter({ device }: Gpu, submissions: number): void {
    const { queue } = device;
    const submit = queue.submit.bind(queue);
    let left = submissions;
    queue.submit = (...commands) => {
      submit(...commands);
      if (--left === 0) device.destroy();
      return undefined;
    };
    Object.defineProperty(device, 'queue', { value: queue });
  }

  test.each([
    { lost: 0, after: 1 },
    { lost: 1, after: 2 },
    { lost: 1, after: 7 },
  ])('stops all, is named, and frees the memory: adapter $lost, after $after submissions', async ({ lost, after }) => {
    const own = [await open(), await open()];
    try {
      const network = place(small, own, { batch, seed: 1 });
      await network.step(images, labels);
      const saved = await network.parameters();
      loseAfter(own[lost]!, after);
      const failed = (async () => {
        for (let step = 0; step < 1000; step++) await network.step(images, labels);
      })();
      failed.catch(() => undefined);
      await expect(failed).rejects.toThrow(AdapterError);
      await expect(failed).rejects.toThrow(new RegExp(`step \\d+: adapter ${lost + 1} of 2 failed.* was lost`));
      expect(own.map((gpu) => gpu.liveBuffers)).toEqual([0, 0]);
      await expect(network.parameters()).rejects.toThrow(/was lost/);
      network.dispose();
      // The remaining one continues from what was saved.
      const left = place(small, [own[1 - lost]!], { batch, seed: 1 });
      left.loadParameters(saved);
      expect((await left.step(images, labels)).loss).toBeGreaterThan(0);
      left.dispose();
    } finally {
      for (const gpu of own) gpu.dispose();
    }
  });

  test('a network that is disposed of in the middle of a step leaves nothing behind', async () => {
    const network = place(inColumns(2), gpus, { batch });
    const step = await network.submitStep(images, labels);
    network.dispose();
    await expect(step.result()).rejects.toThrow();
    for (const gpu of gpus) await gpu.finished();
  });
});
