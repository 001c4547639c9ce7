import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import {
  createProgram,
  createTensor,
  disposeTensor,
  GPUBufferUsage,
  GPUMapMode,
  type Gpu,
  type Tensor,
} from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';
import { Exchange } from '@alex/tensor/network';
import { median } from './median.js';
import { type Result, timesOf } from './report.js';
import { noise } from './values.js';

export interface ExchangeOptions {
  readonly model: string;
  readonly batch: number;
  readonly repeats: number;
}

/** From a hidden layer's activations to a large layer's gradients. */
const megabytes = [1, 10, 40] as const;
/** Exchanges per timing. */
const rounds = 8;

/**
 * Times two adapters: transfers in both directions at once, compared with a plain loop that copies, maps and writes the
 * same bytes; and a step of a network in columns, with the times of its parts.
 */
export async function measureExchange(
  gpus: readonly [Gpu, Gpu],
  { model, batch, repeats }: ExchangeOptions,
  onResult: (result: Result) => void,
): Promise<Result[]> {
  const results: Result[] = [];
  const add = (result: Result) => {
    results.push(result);
    onResult(result);
  };
  for (const size of megabytes) for (const result of await measureRate(gpus, size, repeats)) add(result);
  for (const result of await measureStep(gpus, { model, batch, repeats })) add(result);
  return results;
}

const nameOf = (gpus: readonly Gpu[]) => gpus.map(({ description }) => description.name).join(' and ');

async function measureRate(gpus: readonly [Gpu, Gpu], size: number, repeats: number): Promise<Result[]> {
  const bytes = size * 1e6;
  const pairs = gpus.map((gpu) => ['out', 'in'].map((label) => createTensor(gpu, label, [bytes / 4])));
  const [plain, own] = [plainLoop(gpus, pairs, bytes), byPrograms(gpus, pairs)];
  const runs = { 'plain loop': plain.run, exchange: own.run };
  const times: Record<keyof typeof runs, number[]> = { 'plain loop': [], exchange: [] };
  try {
    for (let repeat = 0; repeat <= repeats; repeat++) {
      for (const [name, run] of Object.entries(runs) as [keyof typeof runs, () => Promise<void>][]) {
        const start = performance.now();
        for (let round = 0; round < rounds; round++) await run();
        for (const gpu of gpus) await gpu.finished();
        if (repeat > 0) times[name].push((performance.now() - start) / rounds);
      }
    }
  } finally {
    plain.dispose();
    own.dispose();
    pairs.forEach((tensors, index) => {
      for (const tensor of tensors) disposeTensor(gpus[index]!, tensor);
    });
  }
  const best = (name: keyof typeof runs) => (2 * bytes) / (Math.min(...times[name]) / 1000);
  return (Object.keys(runs) as (keyof typeof runs)[]).map((name) => ({
    name: `exchange/${size} MB each way, ${name}`,
    adapter: nameOf(gpus),
    ...timesOf(times[name]),
    rate: (2 * bytes) / (median(times[name]) / 1000),
    unit: 'bytes/s',
    rooflineShare: null,
    share: best(name) / best('plain loop'),
  }));
}

/** The obvious implementation. */
function plainLoop(gpus: readonly [Gpu, Gpu], pairs: readonly Tensor[][], size: number) {
  const stagings = gpus.map((gpu) =>
    gpu.createBuffer({ label: 'staging', size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST }),
  );
  const oneWay = async (from: number) => {
    const [sender, receiver] = [gpus[from]!, gpus[1 - from]!];
    const staging = stagings[from]!;
    const encoder = sender.device.createCommandEncoder();
    encoder.copyBufferToBuffer(pairs[from]![0]!.buffer!, 0, staging, 0, size);
    sender.device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    receiver.device.queue.writeBuffer(pairs[1 - from]![1]!.buffer!, 0, staging.getMappedRange());
    staging.unmap();
    receiver.device.queue.submit([]);
  };
  return {
    run: async () => {
      await Promise.all([oneWay(0), oneWay(1)]);
    },
    dispose() {
      stagings.forEach((staging, index) => {
        gpus[index]!.destroyBuffer(staging);
      });
    },
  };
}

function byPrograms(gpus: readonly [Gpu, Gpu], pairs: readonly Tensor[][]) {
  const exchange = new Exchange(gpus);
  const programs = gpus.map((gpu, self) =>
    createProgram(
      gpu,
      (recorder) => {
        recorder.send({ label: 'values', peer: 1 - self, tensor: pairs[self]![0]! });
        recorder.receive({ label: 'values', peer: 1 - self, tensor: pairs[self]![1]! });
      },
      { exchange, self },
    ),
  );
  return {
    run: async () => {
      await Promise.all(programs.map((program) => program.run()));
    },
    dispose() {
      for (const program of programs) program.dispose();
      exchange.dispose();
    },
  };
}

async function measureStep(gpus: readonly [Gpu, Gpu], { model, batch, repeats }: ExchangeOptions): Promise<Result[]> {
  const description = alexnet({ variant: model });
  const network = place(description, gpus, { batch });
  try {
    const shape = [batch, ...description.input];
    const images = { shape, data: noise(elementCount(shape), 1) };
    const labels = Array.from({ length: batch }, (_, image) => image % description.output[0]!);
    const times: number[] = [];
    for (let repeat = 0; repeat <= repeats; repeat++) {
      const start = performance.now();
      await network.step(images, labels);
      if (repeat > 0) times.push(performance.now() - start);
    }
    const row = (name: string, milliseconds: readonly number[]): Result => ({
      name: `exchange/step of ${model}, batch ${batch}${name}`,
      adapter: nameOf(gpus),
      ...timesOf(milliseconds),
      rate: (1000 * batch) / median(milliseconds),
      unit: 'images/s',
      rooflineShare: null,
    });
    const results = [row('', times)];
    if (!gpus.every(({ features }) => features.has('timestamp-query'))) return results;
    const timings = await network.profile(images, labels);
    const sum = (of: (timing: (typeof timings)[number]) => boolean) =>
      timings.filter(of).reduce((total, { milliseconds }) => total + milliseconds, 0);
    gpus.forEach((_, index) => {
      results.push(
        row(`: kernels of adapter ${index + 1}`, [sum(({ adapter, from }) => adapter === index && from === undefined)]),
      );
    });
    results.push(row(': transfer', [sum(({ from }) => from !== undefined)]));
    return results;
  } finally {
    network.dispose();
  }
}
