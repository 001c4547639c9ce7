import { alexnet, type Variant } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import type { Gpu, HostTensor, Tensor } from '@alex/tensor';
import { compileKernels } from '@alex/tensor/kernels';
import type { Network } from '@alex/tensor/network';
import { examineKernels } from './examine-kernels.js';
import { type Result, stepResult, timesOf } from './report.js';
import type { StepOptions } from './step.js';
import { noise } from './values.js';

/** Steps of a repeat: the host's part of one is a millisecond or so. */
const steps = 20;
/** Steps before those that count: JavaScript is compiled while it runs. */
const warmUpSteps = 40;

/**
 * Times the host's work for a training step, from the call until the step is submitted, while the adapter is idle: for images
 * that are already on the adapter, and for images that must be uploaded. The adapter's computation does not count, so any adapter
 * will do.
 */
export async function measureHost(gpu: Gpu, { model, batch, repeats, precision }: StepOptions): Promise<Result[]> {
  const description = alexnet({ variant: model as Variant });
  await examineKernels(description, gpu, { batch, precision });
  const network = place(description, [gpu], { batch, precision });
  const labels = Array.from({ length: batch }, (_, image) => image % description.output[0]!);
  const given: HostTensor = {
    shape: [batch, ...description.input],
    data: noise(batch * description.input.reduce((a, b) => a * b, 1), 64),
  };
  await compileKernels(gpu);
  const results = [
    stepResult(gpu.description.name, 'host/step', batch, await handovers(network, network.input, labels, repeats)),
    stepResult(
      gpu.description.name,
      'host/step with its images',
      batch,
      await handovers(network, given, labels, repeats),
    ),
  ];
  network.dispose();
  return results;
}

/** Milliseconds for each repeat: the median of its steps, since other work on the machine affects some of them. */
async function handovers(
  network: Network,
  images: HostTensor | Tensor,
  labels: readonly number[],
  repeats: number,
): Promise<number[]> {
  for (let step = 0; step < warmUpSteps; step++) await handover(network, images, labels);
  const medians: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    const milliseconds: number[] = [];
    for (let step = 0; step < steps; step++) milliseconds.push(await handover(network, images, labels));
    medians.push(timesOf(milliseconds).medianMs);
  }
  return medians;
}

/** The milliseconds until a step is submitted. Waits for the step, so that the adapter is idle before the next one. */
async function handover(network: Network, images: HostTensor | Tensor, labels: readonly number[]): Promise<number> {
  const start = performance.now();
  const step = await network.submitStep(images, labels);
  const milliseconds = performance.now() - start;
  await step.result();
  return milliseconds;
}
