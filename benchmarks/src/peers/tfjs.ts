import { createRequire } from 'node:module';
import type { HostTensor } from '@alex/tensor';
import type { Scalar, Tensor, Tensor2D, Tensor4D, Variable } from '@tensorflow/tfjs-core';
import { partsOf, permuted } from '../values.js';
import { pretendBrowser } from './browser.js';
import type { Library, Run } from './library.js';
import {
  dropoutMasks,
  initialParameters,
  learning,
  normalization,
  oneHotLabels,
  paddedImages,
  paperNetwork,
} from './paper.js';
import {
  type ConvolutionWorkload,
  convolutionOperands,
  type DenseWorkload,
  denseOperands,
  type ProductWorkload,
  productOperands,
  type StepWorkload,
} from './workloads.js';

type Tfjs = typeof import('@tensorflow/tfjs-core');

/**
 * TensorFlow.js on its WebGPU backend. Images are NHWC there, filters HWIO. It has no groups, so a grouped convolution
 * is several convolutions, each over its own channels.
 */
export const tfjs: Library = async (gpu) => {
  pretendBrowser(gpu);
  const tf = await import('@tensorflow/tfjs-core');
  // The gradients, which otherwise only the package `@tensorflow/tfjs` provides, with 240 MB of other files.
  createRequire(import.meta.url)('@tensorflow/tfjs-core/dist/register_all_gradients');
  await import('@tensorflow/tfjs-backend-webgpu');
  if (!(await tf.setBackend('webgpu'))) throw new Error('its WebGPU backend does not start');
  await tf.ready();

  /** Reading submits all pending work. */
  const finish = async (result: Tensor) => {
    await result.data();
    await gpu.finished();
  };

  return async (workload, times) => {
    switch (workload.kind) {
      case 'product':
        return product(tf, finish, workload);
      case 'dense':
        return dense(tf, finish, workload);
      case 'convolution':
        return convolution(tf, finish, workload);
      case 'step':
        return step(
          tf,
          finish,
          workload,
          await Promise.all(range(times).map((time) => dropoutMasks(gpu, workload, time))),
        );
    }
  };
};

type Finish = (result: Tensor) => Promise<void>;

/** A run that keeps the outcomes of the last repeat. */
function run(finish: Finish, compute: () => Tensor[], outside: (results: Tensor[]) => Promise<HostTensor[]>): Run {
  let results: Tensor[] = [];
  return {
    async once() {
      for (const result of results) result.dispose();
      results = compute();
      // All work is in the queue before the first result is read, so only that wait counts.
      for (const result of results) await finish(result);
    },
    outcome: () => outside(results),
  };
}

async function host(tensor: Tensor): Promise<HostTensor> {
  return { shape: [...tensor.shape], data: (await tensor.data()) as Float32Array };
}

function product(tf: Tfjs, finish: Finish, workload: ProductWorkload): Run {
  const operands = productOperands(workload);
  const a = tf.tensor2d(operands.a.data, [workload.rows, workload.depth]);
  const b = tf.tensor2d(operands.b.data, [workload.depth, workload.columns]);
  return run(
    finish,
    () => [tf.matMul(a, b)],
    ([output]) => Promise.all([host(output!)]),
  );
}

function dense(tf: Tfjs, finish: Finish, { kind, batch, inputs, units }: DenseWorkload): Run {
  const operands = denseOperands({ kind, batch, inputs, units });
  const images = tf.tensor2d(operands.images.data, [batch, inputs]);
  const weights = tf.tensor2d(permuted(operands.weights.data, [units, inputs], [1, 0]), [inputs, units]);
  return run(
    finish,
    () => [tf.matMul(images, weights)],
    ([output]) => Promise.all([host(output!)]),
  );
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

const imagesToOutside = [0, 3, 1, 2];
const imagesFromOutside = [0, 2, 3, 1];
const filtersToOutside = [3, 2, 0, 1];
const filtersFromOutside = [2, 3, 1, 0];

/** With another order of axes. */
function inOrder({ shape, data }: HostTensor, order: readonly number[]): HostTensor {
  return { shape: order.map((axis) => shape[axis]!), data: permuted(data, shape, order) };
}

function tensor4d(tf: Tfjs, { shape, data }: HostTensor): Tensor4D {
  return tf.tensor4d(data, shape as [number, number, number, number]);
}

function convolution(tf: Tfjs, finish: Finish, workload: ConvolutionWorkload): Run {
  const { groups, padding, directions } = workload;
  const operands = convolutionOperands(workload);
  const images = tensor4d(tf, inOrder(operands.images, imagesFromOutside));
  // Parts of the filters: those of a group are adjacent in the public layout.
  const filters = partsOf(operands.filters, groups).map((part) => tensor4d(tf, inOrder(part, filtersFromOutside)));
  const outputGradient = tensor4d(tf, inOrder(operands.outputGradient, imagesFromOutside));
  const convolved = (x: Tensor4D, weights: Tensor4D) => tf.conv2d(x, weights, 1, padding);
  const forward = (x: Tensor4D, ...weights: Tensor4D[]) => {
    // A concatenation of a single tensor has no gradient.
    if (groups === 1) return convolved(x, weights[0]!);
    const parts = tf.split(x, groups, 3) as Tensor4D[];
    return tf.concat(
      parts.map((part, group) => convolved(part, weights[group]!)),
      3,
    );
  };
  const both = tf.valueAndGrads((...inputs) => {
    const [x, ...weights] = inputs as Tensor4D[];
    return forward(x!, ...weights);
  });
  const compute =
    directions === 'forward'
      ? () => [tf.tidy(() => forward(images, ...filters))]
      : () => {
          const { value, grads } = both([images, ...filters], outputGradient);
          return [value, ...grads];
        };
  return run(finish, compute, async ([output, byImages, ...byFilters]) => {
    const outside = [inOrder(await host(output!), imagesToOutside)];
    if (!byImages) return outside;
    const parts: HostTensor[] = [];
    for (const part of byFilters) parts.push(inOrder(await host(part), filtersToOutside));
    return [...outside, inOrder(await host(byImages), imagesToOutside), joined(parts)];
  });
}

function joined(parts: readonly HostTensor[]): HostTensor {
  const [first] = parts;
  const data = new Float32Array(parts.reduce((length, part) => length + part.data.length, 0));
  let offset = 0;
  for (const part of parts) {
    data.set(part.data, offset);
    offset += part.data.length;
  }
  return { shape: [first!.shape[0]! * parts.length, ...first!.shape.slice(1)], data };
}

function step(
  tf: Tfjs,
  finish: Finish,
  workload: StepWorkload,
  masks: readonly (readonly [HostTensor, HostTensor])[],
): Run {
  const description = paperNetwork(workload);
  const parameters = stepParameters(tf, initialParameters(description));
  const { batch, classes } = workload;
  const images = tensor4d(tf, inOrder(paddedImages(workload), imagesFromOutside));
  const labels = tf.tensor2d(oneHotLabels(workload).data, [batch, classes]);
  const optimizer = tf.train.momentum(learning.rate, learning.momentum);
  const losses: number[] = [];

  /** A column's maps never meet those of the other column here. */
  const normalized = (x: Tensor4D) =>
    workload.normalization
      ? tf.localResponseNormalization(
          x,
          Math.floor(normalization.size / 2),
          normalization.k,
          normalization.alpha,
          normalization.beta,
        )
      : x;
  const pooled = (x: Tensor4D) => tf.maxPool(x, 3, 2, 'valid') as Tensor4D;
  const columns = (x: Tensor4D) => tf.split(x, 2, 3) as Tensor4D[];
  const meet = (parts: Tensor4D[]) => tf.concat(parts, 3);
  const convolved = (x: Tensor4D, path: string, stride: number, padding: number) =>
    tf.relu(
      tf.add(tf.conv2d(x, parameters[`${path}.weight`] as Tensor4D, stride, padding), parameters[`${path}.bias`]!),
    );
  const own = (parts: Tensor4D[], name: string, padding: number) =>
    parts.map((part, column) => convolved(part, `${name}/${column}`, 1, padding) as Tensor4D);
  const dense = (x: Tensor2D, path: string) =>
    tf.add(tf.matMul(x, parameters[`${path}.weight`] as Tensor2D), parameters[`${path}.bias`]!) as Tensor2D;

  const lossOf = (first: Tensor2D, second: Tensor2D) => {
    const conv1 = columns(convolved(images, 'conv1', 4, 0) as Tensor4D).map((part) => pooled(normalized(part)));
    const conv2 = own(conv1, 'conv2', 2).map((part) => pooled(normalized(part)));
    const conv3 = columns(convolved(meet(conv2), 'conv3', 1, 1) as Tensor4D);
    const conv5 = own(own(conv3, 'conv4', 1), 'conv5', 1).map(pooled);
    const flat = tf.reshape(meet(conv5), [batch, -1]) as Tensor2D;
    const fc6 = tf.concat([dense(flat, 'fc6/0'), dense(flat, 'fc6/1')], 1);
    const fc7 = dense(tf.mul(tf.relu(fc6), first), 'fc7');
    const scores = dense(tf.mul(tf.relu(fc7), second), 'fc8');
    return tf.losses.softmaxCrossEntropy(labels, scores) as Scalar;
  };

  return {
    async once() {
      const [first, second] = masks[losses.length]!.map(({ shape, data }) =>
        tf.tensor2d(data, shape as [number, number]),
      );
      const loss = tf.tidy(() => {
        const { value, grads } = tf.variableGrads(() => lossOf(first!, second!));
        for (const [path, variable] of Object.entries(parameters)) {
          if (path.endsWith('.weight')) grads[path] = tf.add(grads[path]!, tf.mul(variable, learning.decay));
        }
        // They are gradients, not variables, in spite of the declaration.
        optimizer.applyGradients(grads as Record<string, Variable>);
        return value;
      });
      await finish(loss);
      losses.push((await loss.data())[0]!);
      tf.dispose([loss, first!, second!]);
    },
    outcome: async () => [{ shape: [losses.length], data: Float32Array.from(losses) }],
  };
}

/** Layers that read their own column are two, `conv2/0` and `conv2/1`; so is fc6, because of its size. */
function stepParameters(tf: Tfjs, initial: Readonly<Record<string, HostTensor>>): Record<string, Variable> {
  const variables: Record<string, Variable> = {};
  for (const [path, values] of Object.entries(initial)) {
    const [layer, kind] = path.split('.') as [string, string];
    const inTwo = ['conv2', 'conv4', 'conv5', 'fc6'].includes(layer);
    for (const [index, part] of (inTwo ? partsOf(values, 2) : [values]).entries()) {
      const name = `${inTwo ? `${layer}/${index}` : layer}.${kind}`;
      const { shape, data } = libraryLayout(layer, part);
      variables[name] = tf.variable(tf.tensor(data, shape), true, name);
    }
  }
  return variables;
}

function libraryLayout(layer: string, values: HostTensor): HostTensor {
  if (values.shape.length === 4) return inOrder(values, filtersFromOutside);
  if (values.shape.length !== 2) return values;
  if (layer !== 'fc6') return inOrder(values, [1, 0]);
  // It flattens images in their memory order, in which the map is the fastest index.
  const [units, inputs] = values.shape as [number, number];
  const side = Math.sqrt(inputs / 256);
  const images = inOrder({ shape: [units, 256, side, side], data: values.data }, [2, 3, 1, 0]);
  return { shape: [inputs, units], data: images.data };
}
