import { dropout } from '@alex/dropout';
import { alexnet } from '@alex/model-alexnet';
import type { Gpu, HostTensor, NetworkDescription } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';
import { runLayer } from '@alex/tensor/testing';
import { noise } from '../values.js';
import type { StepWorkload } from './workloads.js';

/*
 * The paper's network as the peers have to write it: everything that a library cannot know, in the public layout. They get
 * images with conv1's padding and precomputed dropout masks, so these cost them nothing.
 */

export const learning = { rate: 0.01, momentum: 0.9, decay: 0.0005 };

/** Section 3.3, as printed: alpha is not divided by the window's size. */
export const normalization = { size: 5, alpha: 1e-4, beta: 0.75, k: 2 };

export const hiddenUnits = 4096;

export function paperNetwork({ normalization, inputSize, classes }: StepWorkload): NetworkDescription {
  return alexnet({ variant: normalization ? 'paper' : 'no-lrn', inputSize, classes });
}

/** By dotted name; uniformly distributed with the deviation that the network specifies. */
export function initialParameters(description: NetworkDescription): Record<string, HostTensor> {
  const parameters = description.layers.flatMap((layer) => layer.parameters);
  return Object.fromEntries(
    parameters.map(({ path, shape, initial }, index) => {
      const length = elementCount(shape);
      const data =
        initial.distribution === 'constant'
          ? new Float32Array(length).fill(initial.value)
          : noise(length, initial.standardDeviation * Math.sqrt(3), index + 1);
      return [path, { shape: [...shape], data }];
    }),
  );
}

export function stepImages({ batch, inputSize }: StepWorkload): HostTensor {
  const shape = [batch, 3, inputSize, inputSize];
  return { shape, data: noise(elementCount(shape), 64) };
}

export function stepLabels({ batch, classes }: StepWorkload): number[] {
  return Array.from({ length: batch }, (_, image) => (image * 7) % classes);
}

/** conv1's windows of 11 at stride 4 extend beyond the right and bottom edges, over zeros. */
export function paddedImages(workload: StepWorkload): HostTensor {
  const { batch, inputSize } = workload;
  const size = Math.ceil((inputSize - 11) / 4) * 4 + 11;
  const { data } = stepImages(workload);
  const padded = new Float32Array(batch * 3 * size * size);
  for (let row = 0; row < batch * 3 * inputSize; row++) {
    const [map, y] = [Math.floor(row / inputSize), row % inputSize];
    padded.set(data.subarray(row * inputSize, (row + 1) * inputSize), (map * size + y) * size);
  }
  return { shape: [batch, 3, size, size], data: padded };
}

export function oneHotLabels(workload: StepWorkload): HostTensor {
  const shape = [workload.batch, workload.classes];
  const data = new Float32Array(elementCount(shape));
  stepLabels(workload).forEach((label, image) => {
    data[image * workload.classes + label] = 1;
  });
  return { shape, data };
}

/**
 * 1 for the values of fc6's and fc7's outputs that a step of Alex keeps, 0 for those that it drops: all libraries use
 * the same masks.
 */
export async function dropoutMasks(gpu: Gpu, { batch }: StepWorkload, step: number): Promise<[HostTensor, HostTensor]> {
  const shape = [batch, hiddenUnits];
  const input = { shape, data: new Float32Array(elementCount(shape)).fill(1) };
  const [first, second] = ['dropout6', 'dropout7'].map((name) =>
    runLayer(gpu, dropout({ name, probability: 0.5 }), { input, training: true, seed: 0, step }),
  );
  return [(await first!).output, (await second!).output];
}
