import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import type { DispatchTiming, Gpu, NetworkDescription } from '@alex/tensor';
import { leastTime, type Roofline } from '@alex/tensor/kernels';
import type { Network, Precision } from '@alex/tensor/network';
import { directionOf } from './directions.js';
import { examineKernels } from './examine-kernels.js';
import { median } from './median.js';
import { type Result, stepResult, timesOf } from './report.js';
import { noise } from './values.js';

export interface StepOptions {
  readonly model: string;
  readonly batch: number;
  readonly repeats: number;
  readonly precision: Precision;
}

/**
 * Duration of the steps before those that count, in milliseconds: an idle GPU runs at a fraction of its clock, and
 * takes a while to speed up.
 */
const warmUpMs = 1000;
/**
 * Least duration of a repeat, in milliseconds: a single step would mostly measure how fast the host notices its end.
 */
const repeatMs = 250;

/**
 * Times a whole training step and each kind of kernel in it, and the adapter's own limits in the same run. The first
 * step is separate, because drivers compile in it.
 */
export async function measureStep(
  gpu: Gpu,
  { model, batch, repeats, precision }: StepOptions,
  roofline: Roofline,
): Promise<Result[]> {
  const description = alexnet({ variant: model });
  await examineKernels(description, gpu, { batch, precision });
  const start = performance.now();
  const network = place(description, [gpu], { batch, precision });
  const images = {
    shape: [batch, ...description.input],
    data: noise(batch * description.input.reduce((a, b) => a * b, 1), 64),
  };
  const labels = Array.from({ length: batch }, (_, image) => image % description.output[0]!);
  await network.step(images, labels);
  const first = performance.now() - start;
  const count = Math.ceil(repeatMs / (await warmUp(network, labels)));
  const steps: number[] = [];
  const profiles: Profile[] = [];
  // Alternately, so that other work on the machine affects both.
  for (let time = 0; time < repeats; time++) {
    steps.push(await stepAmongOthers(network, labels, count));
    if (gpu.features.has('timestamp-query')) profiles.push(await network.profile(images, labels));
  }
  network.dispose();
  return [
    stepResult(gpu.description.name, 'first step', batch, [first]),
    stepResult(gpu.description.name, 'step', batch, steps),
    ...otherResults(gpu, steps, profiles),
    ...kernelResults(gpu, description, batch, roofline, profiles),
  ];
}

/**
 * Takes steps until the adapter is in the same state as in the middle of training; returns the approximate time of a step,
 * which is at least the time that the host needs to submit it.
 */
async function warmUp(network: Network, labels: readonly number[]): Promise<number> {
  const start = performance.now();
  let steps = 0;
  while (performance.now() - start < warmUpMs) {
    await stepAmongOthers(network, labels, 1);
    steps += 2;
  }
  return (performance.now() - start) / steps;
}

/**
 * The duration of a step among others, as in training: from the end of the first one to the end of the last, divided by
 * their number. The images are already on the adapter; loading them is not part of this benchmark.
 */
async function stepAmongOthers(network: Network, labels: readonly number[], count: number): Promise<number> {
  const first = await network.submitStep(network.input, labels);
  const begun = first.result().then(() => performance.now());
  let last = first;
  for (let step = 0; step < count; step++) last = await network.submitStep(network.input, labels);
  await last.result();
  return (performance.now() - (await begun)) / count;
}

type Profile = readonly DispatchTiming[];

/**
 * Submitting, waiting and reading back: the wall-clock time of a step minus the kernels of the profiled step after it.
 */
function otherResults(gpu: Gpu, steps: readonly number[], profiles: readonly Profile[]): Result[] {
  if (profiles.length === 0) return [];
  const rest = steps.map(
    (step, index) => step - profiles[index]!.reduce((total, { milliseconds }) => total + milliseconds, 0),
  );
  return [
    {
      name: 'step/not in a kernel',
      adapter: gpu.description.name,
      ...timesOf(rest),
      rate: null,
      unit: 'bytes/s',
      rooflineShare: null,
    },
  ];
}

interface Kernel {
  /** By label, one value per profile: dispatches with the same label count as one kernel. */
  readonly dispatches: Map<string, number[]>;
  readonly multiplyAdds: number;
  bytes: number;
}

/**
 * One row for each direction of a layer with products, including everything that belongs to it; one for each other
 * label.
 */
function kernelResults(
  gpu: Gpu,
  description: NetworkDescription,
  batch: number,
  roofline: Roofline,
  profiles: readonly Profile[],
): Result[] {
  const layers = description.table().rows.filter(({ multiplyAdds }) => multiplyAdds > 0);
  const kernels = new Map<string, Kernel>();
  for (const [index, profile] of profiles.entries()) {
    for (const { label, milliseconds, bytes } of profile) {
      const layer = layers.find(({ name }) => directionOf(label, name));
      const name = layer ? `${layer.name}/${directionOf(label, layer.name)}` : label;
      const kernel = kernels.get(name) ?? {
        dispatches: new Map(),
        multiplyAdds: (layer?.multiplyAdds ?? 0) * batch,
        bytes: 0,
      };
      const times = kernel.dispatches.get(label) ?? profiles.map(() => 0);
      times[index]! += milliseconds;
      kernel.dispatches.set(label, times);
      if (index === 0) kernel.bytes += bytes;
      kernels.set(name, kernel);
    }
  }
  return [...kernels].map(([name, kernel]) => kernelResult(gpu, name, kernel, roofline));
}

function kernelResult(gpu: Gpu, name: string, { dispatches, multiplyAdds, bytes }: Kernel, roofline: Roofline): Result {
  const rows = [...dispatches.values()];
  const times = timesOf(rows[0]!.map((_, index) => rows.reduce((total, row) => total + row[index]!, 0)));
  const seconds = times.medianMs / 1000;
  const { milliseconds: atBest, boundBy } = leastTime(roofline, { multiplyAdds, bytes });
  // A driver's clock may be too coarse for the smallest kernels.
  const perSecond = (work: number) => (seconds > 0 ? work / seconds : null);
  return {
    name,
    adapter: gpu.description.name,
    ...times,
    rate: perSecond(multiplyAdds > 0 ? multiplyAdds : bytes),
    unit: multiplyAdds > 0 ? 'multiply-adds/s' : 'bytes/s',
    rooflineShare: perSecond(atBest / 1000),
    boundBy,
    ...(multiplyAdds > 0 &&
      seconds > 0 && { multiplyAddShare: multiplyAdds / seconds / roofline.multiplyAddsPerSecond }),
    ...(dispatches.size > 1 && {
      dispatches: Object.fromEntries([...dispatches].map(([label, values]) => [label, median(values)])),
    }),
  };
}
