import { alexnet, type Variant } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import {
  ConfigError,
  type DispatchTiming,
  type Gpu,
  measureRoofline,
  type Network,
  type NetworkDescription,
  type Roofline,
} from '@alex/tensor';
import { median, type Result } from './report.js';

export interface StepOptions {
  readonly model: string;
  readonly batch: number;
  readonly repeats: number;
}

/** The dispatches that compute products, by the end of their label: each holds as many as a forward pass. */
const products = [/\/forward$/, /\/inputGradient$/, /\/weightGradient$/];

/**
 * Times a whole training step and each kind of kernel in it, beside the adapter's own limits measured in the same run.
 * The first step is not counted: drivers compile in it.
 */
export async function measureStep(gpu: Gpu, { model, batch, repeats }: StepOptions): Promise<Result[]> {
  if (!Number.isInteger(repeats) || repeats < 1)
    throw new ConfigError(`--repeats must be a whole number of at least 1, got ${repeats}`);
  const description = alexnet({ variant: model as Variant });
  const network = place(description, [gpu], { batch });
  const pictures = {
    shape: [batch, ...description.input],
    data: noise(batch * description.input.reduce((a, b) => a * b, 1)),
  };
  const labels = Array.from({ length: batch }, (_, image) => image % description.output[0]!);
  const roofline = await measureRoofline(gpu);
  await network.step(pictures, labels);
  const steps = await repeat(repeats, () => wallClock(network, labels));
  const profiles = gpu.features.has('timestamp-query')
    ? await repeat(repeats, () => network.profile(pictures, labels))
    : [];
  network.dispose();
  return [
    ...rooflineResults(gpu, roofline),
    stepResult(gpu, batch, steps),
    ...kernelResults(gpu, description, batch, roofline, profiles),
  ];
}

async function repeat<T>(times: number, measure: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let time = 0; time < times; time++) results.push(await measure());
  return results;
}

/** The pictures are on the adapter already: how they get there is not this benchmark's business. */
async function wallClock(network: Network, labels: readonly number[]): Promise<number> {
  const start = performance.now();
  await network.step(network.input, labels);
  return performance.now() - start;
}

function rooflineResults(gpu: Gpu, roofline: Roofline): Result[] {
  const adapter = gpu.description.name;
  const best = { adapter, medianMs: 0, fastestMs: 0, slowestMs: 0, rooflineShare: 1 };
  return [
    { ...best, name: 'roofline/multiply-adds', rate: roofline.multiplyAddsPerSecond, unit: 'multiply-adds/s' },
    { ...best, name: 'roofline/copy', rate: roofline.copyBytesPerSecond, unit: 'bytes/s' },
  ];
}

function stepResult(gpu: Gpu, batch: number, milliseconds: readonly number[]): Result {
  const medianMs = median(milliseconds);
  return {
    name: 'step',
    adapter: gpu.description.name,
    medianMs,
    fastestMs: Math.min(...milliseconds),
    slowestMs: Math.max(...milliseconds),
    rate: batch / (medianMs / 1000),
    unit: 'images/s',
    rooflineShare: null,
  };
}

/** Dispatches of one label are one kernel to a reader, however many there are. */
function kernelResults(
  gpu: Gpu,
  description: NetworkDescription,
  batch: number,
  roofline: Roofline,
  profiles: readonly (readonly DispatchTiming[])[],
): Result[] {
  const byLabel = new Map<string, { milliseconds: number[]; bytes: number }>();
  for (const [index, profile] of profiles.entries()) {
    for (const { label, milliseconds, bytes } of profile) {
      const kernel = byLabel.get(label) ?? { milliseconds: profiles.map(() => 0), bytes: 0 };
      kernel.milliseconds[index]! += milliseconds;
      if (index === 0) kernel.bytes += bytes;
      byLabel.set(label, kernel);
    }
  }
  return [...byLabel].map(([name, { milliseconds, bytes }]) => {
    const medianMs = median(milliseconds);
    const seconds = medianMs / 1000;
    const multiplyAdds = multiplyAddsOf(description, name, batch);
    const best = Math.max(multiplyAdds / roofline.multiplyAddsPerSecond, bytes / roofline.copyBytesPerSecond);
    return {
      name,
      adapter: gpu.description.name,
      medianMs,
      fastestMs: Math.min(...milliseconds),
      slowestMs: Math.max(...milliseconds),
      // A driver's clock may be too coarse for the smallest kernels.
      rate: seconds > 0 ? (multiplyAdds > 0 ? multiplyAdds : bytes) / seconds : null,
      unit: multiplyAdds > 0 ? ('multiply-adds/s' as const) : ('bytes/s' as const),
      rooflineShare: seconds > 0 ? best / seconds : null,
    };
  });
}

function multiplyAddsOf(description: NetworkDescription, label: string, batch: number): number {
  if (!products.some((ending) => ending.test(label))) return 0;
  const row = description.table().rows.find(({ name }) => label.startsWith(`${name}/`));
  return (row?.multiplyAdds ?? 0) * batch;
}

function noise(length: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 25 - 64;
  });
}
