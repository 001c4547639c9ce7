import type { Gpu, HostTensor } from '@alex/tensor';
import type { numpy } from '@jax-js/jax';
import { partsOf } from '../values.js';
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

type Jax = typeof import('@jax-js/jax');
type JaxArray = numpy.Array;

/** jax-js, with everything under `jit`. A function that takes an array consumes it, unless it gets its `ref`. */
export const jax: Library = async (gpu) => {
  pretendBrowser(gpu);
  const library = await import('@jax-js/jax');
  if (!(await library.init('webgpu')).includes('webgpu')) throw new Error('its WebGPU backend does not start');
  library.defaultDevice('webgpu');
  return async (workload, times) => {
    switch (workload.kind) {
      case 'product':
        return product(library, gpu, workload);
      case 'dense':
        return dense(library, gpu, workload);
      case 'convolution':
        return convolution(library, gpu, workload);
      case 'step': {
        const masks = Array.from({ length: times }, (_, time) => dropoutMasks(gpu, workload, time));
        return step(library, gpu, workload, await Promise.all(masks));
      }
    }
  };
};

function arrayOf({ numpy }: Jax, { shape, data }: HostTensor): JaxArray {
  return numpy.array(data as Float32Array<ArrayBuffer>, { shape });
}

/** A run that keeps the outcomes of the last repeat. */
function run(gpu: Gpu, compute: () => JaxArray[]): Run {
  let results: JaxArray[] = [];
  return {
    async once() {
      for (const result of results) result.dispose();
      results = compute();
      for (const result of results) await result.blockUntilReady();
      await gpu.finished();
    },
    async outcome() {
      const outcome: HostTensor[] = [];
      for (const result of results) {
        outcome.push({ shape: [...result.shape], data: (await result.ref.data()) as Float32Array });
      }
      return outcome;
    },
  };
}

function product(library: Jax, gpu: Gpu, workload: ProductWorkload): Run {
  const operands = productOperands(workload);
  const [a, b] = [arrayOf(library, operands.a), arrayOf(library, operands.b)];
  const matmul = library.jit((x: JaxArray, y: JaxArray) => library.numpy.matmul(x, y));
  return run(gpu, () => [matmul(a.ref, b.ref)]);
}

function dense(library: Jax, gpu: Gpu, workload: DenseWorkload): Run {
  const operands = denseOperands(workload);
  const [images, weights] = [arrayOf(library, operands.images), arrayOf(library, operands.weights)];
  const forward = library.jit((x: JaxArray, w: JaxArray) => library.numpy.matmul(x, w.transpose()));
  return run(gpu, () => [forward(images.ref, weights.ref)]);
}

function convolution(library: Jax, gpu: Gpu, workload: ConvolutionWorkload): Run {
  const { padding, groups, directions } = workload;
  const operands = convolutionOperands(workload);
  const images = arrayOf(library, operands.images);
  const filters = arrayOf(library, operands.filters);
  const outputGradient = arrayOf(library, operands.outputGradient);
  const forward = (x: JaxArray, w: JaxArray) => convolved(library, x, w, 1, padding, groups);
  const forwardOnly = library.jit(forward);
  const both = library.jit((x: JaxArray, w: JaxArray, gradient: JaxArray) => {
    const [output, backward] = library.vjp(forward, [x, w]);
    const [byImages, byFilters] = backward(gradient) as [JaxArray, JaxArray];
    return [output, byImages, byFilters] as JaxArray[];
  });
  return run(gpu, () =>
    directions === 'forward'
      ? [forwardOnly(images.ref, filters.ref)]
      : both(images.ref, filters.ref, outputGradient.ref),
  );
}

function convolved(
  { lax }: Jax,
  x: JaxArray,
  weights: JaxArray,
  stride: number,
  padding: number,
  groups: number,
): JaxArray {
  const sides: [number, number][] = [
    [padding, padding],
    [padding, padding],
  ];
  return lax.convGeneralDilated(x, weights, [stride, stride], sides, { featureGroupCount: groups });
}

type Parameters = Record<string, JaxArray>;

function step(
  library: Jax,
  gpu: Gpu,
  workload: StepWorkload,
  masks: readonly (readonly [HostTensor, HostTensor])[],
): Run {
  const { numpy: np, nn, lax, jit, valueAndGrad } = library;
  const { batch } = workload;
  let parameters = stepParameters(library, initialParameters(paperNetwork(workload)));
  let velocities: Parameters = Object.fromEntries(
    Object.entries(parameters).map(([path, { shape }]) => [path, np.zeros(shape)]),
  );
  const images = arrayOf(library, paddedImages(workload));
  const labels = arrayOf(library, oneHotLabels(workload));
  const losses: number[] = [];

  const pooled = (x: JaxArray) => lax.reduceWindow(x, (window) => np.max(window), [3, 3], [2, 2]);

  /** A column's maps never meet those of the other column here. */
  const normalized = (x: JaxArray) => {
    if (!workload.normalization) return x;
    const [images, maps, height, width] = x.shape as [number, number, number, number];
    const columns = x.reshape([images, 2, maps / 2, height, width]);
    const reach = Math.floor(normalization.size / 2);
    const squares = np.pad(np.square(columns.ref), [
      [0, 0],
      [0, 0],
      [reach, reach],
      [0, 0],
      [0, 0],
    ]);
    let sum: JaxArray | undefined;
    for (let offset = 0; offset < normalization.size; offset++) {
      const part = squares.ref.slice([], [], [offset, offset + maps / 2]);
      sum = sum ? sum.add(part) : part;
    }
    squares.dispose();
    const denominator = sum!.mul(normalization.alpha).add(normalization.k);
    return columns.mul(np.power(denominator, -normalization.beta)).reshape([images, maps, height, width]);
  };

  const lossOf = (all: Parameters, x: JaxArray, wanted: JaxArray, first: JaxArray, second: JaxArray): JaxArray => {
    const biased = (output: JaxArray, path: string, axes: number[]) => output.add(all[`${path}.bias`]!.reshape(axes));
    const convolution = (input: JaxArray, name: string, stride: number, padding: number, groups: number) =>
      nn.relu(biased(convolved(library, input, all[`${name}.weight`]!, stride, padding, groups), name, [1, -1, 1, 1]));
    const dense = (input: JaxArray, path: string) =>
      biased(np.matmul(input, all[`${path}.weight`]!.transpose()), path, [1, -1]);
    const conv1 = pooled(normalized(convolution(x, 'conv1', 4, 0, 1)));
    const conv2 = pooled(normalized(convolution(conv1, 'conv2', 1, 2, 2)));
    const conv4 = convolution(convolution(conv2, 'conv3', 1, 1, 1), 'conv4', 1, 1, 2);
    const flat = pooled(convolution(conv4, 'conv5', 1, 1, 2)).reshape([batch, -1]);
    const fc6 = np.concatenate([dense(flat.ref, 'fc6/0'), dense(flat, 'fc6/1')], 1);
    const fc7 = dense(nn.relu(fc6).mul(first), 'fc7');
    const scores = dense(nn.relu(fc7).mul(second), 'fc8');
    return nn
      .logSoftmax(scores, 1)
      .mul(wanted)
      .sum()
      .mul(-1 / batch);
  };

  const update = jit(
    (all: Parameters, velocity: Parameters, x: JaxArray, wanted: JaxArray, first: JaxArray, second: JaxArray) => {
      const kept = Object.fromEntries(Object.entries(all).map(([path, value]) => [path, value.ref]));
      const [loss, gradients] = valueAndGrad(lossOf)(all, x, wanted, first, second) as [JaxArray, Parameters];
      const nextVelocity: Parameters = {};
      const next: Parameters = {};
      for (const [path, value] of Object.entries(kept)) {
        const gradient = path.endsWith('.weight')
          ? gradients[path]!.add(value.ref.mul(learning.decay))
          : gradients[path]!;
        nextVelocity[path] = velocity[path]!.mul(learning.momentum).sub(gradient.mul(learning.rate));
        next[path] = value.add(nextVelocity[path].ref);
      }
      return { loss, next, nextVelocity };
    },
  );

  return {
    async once() {
      const [first, second] = masks[losses.length]!.map((mask) => arrayOf(library, mask));
      const result = update(parameters, velocities, images.ref, labels.ref, first!, second!);
      parameters = result.next as Parameters;
      velocities = result.nextVelocity as Parameters;
      losses.push(((await (result.loss as JaxArray).data()) as Float32Array)[0]!);
      await library.blockUntilReady([...Object.values(parameters), ...Object.values(velocities)]);
      await gpu.finished();
    },
    outcome: async () => [{ shape: [losses.length], data: Float32Array.from(losses) }],
  };
}

/** jax-js has groups; fc6 is divided into two because of its size. */
function stepParameters(library: Jax, initial: Readonly<Record<string, HostTensor>>): Parameters {
  const arrays: Parameters = {};
  for (const [path, values] of Object.entries(initial)) {
    if (!path.startsWith('fc6.')) arrays[path] = arrayOf(library, values);
    else {
      partsOf(values, 2).forEach((half, index) => {
        arrays[path.replace('fc6', `fc6/${index}`)] = arrayOf(library, half);
      });
    }
  }
  return arrays;
}
