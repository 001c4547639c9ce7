import type { HostTensor } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';
import { noise } from '../values.js';

/** `output = a x b`, of `[rows][depth]` and `[depth][columns]`. */
export interface ProductWorkload {
  readonly kind: 'product';
  readonly rows: number;
  readonly depth: number;
  readonly columns: number;
}

/** A fully connected layer, forward, without biases: each library stores weights and images as it prefers. */
export interface DenseWorkload {
  readonly kind: 'dense';
  readonly batch: number;
  readonly inputs: number;
  readonly units: number;
}

/**
 * A convolution without biases, with stride 1; `both` also computes the gradients with respect to images and filters.
 */
export interface ConvolutionWorkload {
  readonly kind: 'convolution';
  readonly directions: 'forward' | 'both';
  readonly batch: number;
  readonly channels: number;
  /** Height and width. */
  readonly size: number;
  readonly filters: number;
  readonly kernel: number;
  readonly padding: number;
  readonly groups: number;
}

/** A whole training step of the paper's network. */
export interface StepWorkload {
  readonly kind: 'step';
  readonly batch: number;
  readonly inputSize: number;
  readonly classes: number;
  readonly normalization: boolean;
}

/** What every library computes, as plain data: it is sent to other processes. */
export type Workload = ProductWorkload | DenseWorkload | ConvolutionWorkload | StepWorkload;

/** By the names for `--workloads`. */
export function workloadsOf(batch: number): Record<string, Workload> {
  const conv2 = {
    kind: 'convolution',
    batch,
    channels: 96,
    size: 27,
    filters: 256,
    kernel: 5,
    padding: 2,
    groups: 2,
  } as const;
  const conv3 = {
    kind: 'convolution',
    batch,
    channels: 256,
    size: 13,
    filters: 384,
    kernel: 3,
    padding: 1,
    groups: 1,
  } as const;
  const step = { kind: 'step', batch, inputSize: 224, classes: 1000 } as const;
  return {
    product: { kind: 'product', rows: 1024, depth: 1024, columns: 1024 },
    // Not fc6: its weights exceed the peers' largest binding.
    fc7: { kind: 'dense', batch, inputs: 4096, units: 4096 },
    'conv2-forward': { ...conv2, directions: 'forward' },
    conv2: { ...conv2, directions: 'both' },
    'conv3-forward': { ...conv3, directions: 'forward' },
    conv3: { ...conv3, directions: 'both' },
    'step-without-normalization': { ...step, normalization: false },
    step: { ...step, normalization: true },
  };
}

function draw(shape: number[], seed: number): HostTensor {
  return { shape, data: noise(elementCount(shape), 1, seed) };
}

/** `[rows, depth]` and `[depth, columns]`. */
export function productOperands({ rows, depth, columns }: ProductWorkload): { a: HostTensor; b: HostTensor } {
  return { a: draw([rows, depth], 1), b: draw([depth, columns], 2) };
}

/** `[N, inputs]` and `[units, inputs]`. */
export function denseOperands({ batch, inputs, units }: DenseWorkload): { images: HostTensor; weights: HostTensor } {
  return { images: draw([batch, inputs], 1), weights: draw([units, inputs], 2) };
}

/** Images NCHW, filters OIHW, and the gradient of the output. */
export function convolutionOperands(workload: ConvolutionWorkload): {
  images: HostTensor;
  filters: HostTensor;
  outputGradient: HostTensor;
} {
  const { batch, channels, size, filters, kernel, groups } = workload;
  const outputSize = outputSizeOf(workload);
  return {
    images: draw([batch, channels, size, size], 1),
    filters: draw([filters, channels / groups, kernel, kernel], 2),
    outputGradient: draw([batch, filters, outputSize, outputSize], 3),
  };
}

export function outputSizeOf({ size, kernel, padding }: ConvolutionWorkload): number {
  return size + 2 * padding - kernel + 1;
}

/**
 * For one repeat; a step counts its forward pass and the two gradients of each layer, except the first, which has one.
 */
export function multiplyAddsOf(workload: ProductWorkload | DenseWorkload | ConvolutionWorkload): number {
  switch (workload.kind) {
    case 'product':
      return workload.rows * workload.depth * workload.columns;
    case 'dense':
      return workload.batch * workload.inputs * workload.units;
    case 'convolution': {
      const { batch, channels, filters, kernel, groups, directions } = workload;
      const passes = directions === 'both' ? 3 : 1;
      return passes * batch * filters * outputSizeOf(workload) ** 2 * (channels / groups) * kernel ** 2;
    }
  }
}
