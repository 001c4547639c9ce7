import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { place } from '@alex/multi-gpu';
import {
  createProgram,
  createTensor,
  type Gpu,
  type HostTensor,
  type Layer,
  type Program,
  readTensor,
  writeTensor,
} from '@alex/tensor';
import { elementCount, recordProduct } from '@alex/tensor/kernels';
import { runLayer } from '@alex/tensor/testing';
import { permuted } from '../values.js';
import type { Library, Run } from './library.js';
import { initialParameters, paperNetwork, stepImages, stepLabels } from './paper.js';
import {
  type ConvolutionWorkload,
  convolutionOperands,
  type DenseWorkload,
  denseOperands,
  type ProductWorkload,
  productOperands,
  type StepWorkload,
} from './workloads.js';

export const alex: Library = async (gpu) => async (workload) => {
  switch (workload.kind) {
    case 'product':
      return product(gpu, workload);
    case 'dense':
      return denseLayer(gpu, workload);
    case 'convolution':
      return convolution(gpu, workload);
    case 'step':
      return step(gpu, workload);
  }
};

async function runProgram(gpu: Gpu, program: Program): Promise<void> {
  await program.run();
  await gpu.finished();
}

function filled(gpu: Gpu, label: string, { shape, data }: HostTensor) {
  const tensor = createTensor(gpu, label, shape);
  writeTensor(gpu, tensor, data);
  return tensor;
}

/** In the memory layout of activations. */
function imageLast({ shape, data }: HostTensor): Float32Array {
  const [batch, ...rest] = shape;
  return permuted(data, [batch!, elementCount(rest)], [1, 0]);
}

function product(gpu: Gpu, { rows, depth, columns, ...workload }: ProductWorkload): Run {
  const operands = productOperands({ rows, depth, columns, ...workload });
  const [a, b] = [filled(gpu, 'a', operands.a), filled(gpu, 'b', operands.b)];
  const output = createTensor(gpu, 'output', [rows, columns]);
  const program = createProgram(gpu, (recorder) =>
    recordProduct(recorder, { label: 'product', a, b, output, m: rows, k: depth, n: columns }),
  );
  return {
    once: () => runProgram(gpu, program),
    outcome: async () => [{ shape: [rows, columns], data: (await readTensor(gpu, output)) as Float32Array }],
  };
}

function denseLayer(gpu: Gpu, workload: DenseWorkload): Run {
  const { images, weights } = denseOperands(workload);
  return layerRun(gpu, dense({ units: workload.units, bias: false }), images, weights);
}

function convolution(gpu: Gpu, workload: ConvolutionWorkload): Run {
  const { kernel, padding, groups, directions } = workload;
  const { images, filters, outputGradient } = convolutionOperands(workload);
  const layer = conv2d({ filters: workload.filters, kernel, padding, groups, bias: false });
  return layerRun(gpu, layer, images, filters, directions === 'both' ? outputGradient : undefined);
}

/** Outcomes come from a separate run: within a program, memory that is no longer read is reused. */
function layerRun(gpu: Gpu, layer: Layer, input: HostTensor, weight: HostTensor, outputGradient?: HostTensor): Run {
  const tensors = {
    input: filled(gpu, 'input', { shape: input.shape, data: imageLast(input) }),
    parameters: { weight: filled(gpu, 'weight', weight) },
    ...(outputGradient && {
      outputGradient: filled(gpu, 'output gradient', { shape: outputGradient.shape, data: imageLast(outputGradient) }),
    }),
  };
  const program = createProgram(gpu, (recorder) => {
    const forward = layer.forward(recorder, { ...tensors, training: outputGradient !== undefined });
    const { outputGradient: gradient } = tensors;
    if (gradient) {
      layer.backward(recorder, { ...tensors, ...forward, outputGradient: gradient, needsInputGradient: true });
    }
  });
  return {
    once: () => runProgram(gpu, program),
    async outcome() {
      const result = await runLayer(gpu, layer, {
        input,
        parameters: { weight },
        ...(outputGradient && { outputGradient }),
      });
      return [result.output, result.inputGradient, result.parameterGradients?.['weight']].filter(
        (values) => values !== undefined,
      );
    },
  };
}

async function step(gpu: Gpu, workload: StepWorkload): Promise<Run> {
  const description = paperNetwork(workload);
  const network = place(description, [gpu], { batch: workload.batch });
  network.loadParameters(initialParameters(description));
  const { input } = network;
  writeTensor(gpu, input, imageLast(stepImages(workload)));
  const labels = stepLabels(workload);
  const losses: number[] = [];
  return {
    async once() {
      losses.push((await network.step(input, labels)).loss);
    },
    outcome: async () => [{ shape: [losses.length], data: Float32Array.from(losses) }],
  };
}
