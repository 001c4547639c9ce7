import { readFileSync } from 'node:fs';
import { absTanh, logistic, relu, tanh } from '@alex/activations';
import { conv2d, local2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { localResponseNorm } from '@alex/lrn';
import { sgd } from '@alex/optim';
import { averagePool, maxPool } from '@alex/pool';
import { describeNetwork, type Gpu, type HostTensor, type NetworkDescription, type Shape } from '@alex/tensor';
import { elementCount } from '@alex/tensor/kernels';
import { compileNetwork } from '@alex/tensor/network';
import { testGpu } from '@alex/tensor/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { alexnet } from './index.js';

/** The format that `fixtures/make_fixtures.py` writes. */
interface Range {
  readonly shape: Shape;
  readonly low: number;
  readonly high: number;
}
interface Stored {
  readonly shape: Shape;
  readonly every: number;
  readonly scale: number;
  readonly float32: string;
}
interface Case {
  readonly without?: string;
  readonly images: Range;
  readonly labels: readonly number[];
  readonly parameters: Readonly<Record<string, Range>>;
  readonly logits: Stored;
  readonly loss: number;
  readonly gradients?: Readonly<Record<string, Stored>>;
  readonly sgd?: { readonly learningRate: number; readonly momentum: number; readonly weightDecay: number };
  readonly stepped?: Readonly<Record<string, Stored>>;
}

const cases: Readonly<Record<string, Case>> = JSON.parse(
  readFileSync(new URL('../fixtures/pytorch.json', import.meta.url), 'utf8'),
);

/** Float32 sums of up to 9216 products in another order than PyTorch's float64. */
const tolerance = 1e-4;

/** The values that the fixture's script makes from a name: the hash lowbias32 of FNV-1a of the name plus the index. */
function made(name: string, { shape, low, high }: Range): HostTensor {
  let key = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) key = Math.imul(key ^ byte, 0x01000193) >>> 0;
  const data = new Float32Array(elementCount(shape));
  for (let i = 0; i < data.length; i++) {
    let x = (i + key) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    x = (x ^ (x >>> 16)) >>> 0;
    data[i] = low + ((high - low) * (x >>> 8)) / 2 ** 24;
  }
  return { shape: [...shape], data };
}

/** The largest difference from the stored values, relative to the largest magnitude of the whole tensor. */
function difference(got: HostTensor, want: Stored): number {
  expect(got.shape).toEqual(want.shape);
  const bytes = Buffer.from(want.float32, 'base64');
  let largest = 0;
  for (let i = 0; 4 * i < bytes.length; i++) {
    const gap = Math.abs(got.data[i * want.every]! - bytes.readFloatLE(4 * i));
    largest = Math.max(largest, Number.isNaN(gap) ? Number.POSITIVE_INFINITY : gap);
  }
  return largest / want.scale;
}

/** Every kind of layer once, in two columns. No dropout: PyTorch would draw other masks. */
const twoColumns = describeNetwork({
  name: 'two columns',
  input: [3, 13, 11],
  columns: 2,
  layers: [
    {
      layer: conv2d({
        name: 'conv1',
        filters: 8,
        kernel: 3,
        stride: 2,
        padding: { top: 0, left: 0, bottom: 1, right: 1 },
      }),
      from: 'all',
    },
    relu({ name: 'relu1' }),
    localResponseNorm({ name: 'norm1', size: 5, alpha: 0.5, beta: 0.75, k: 2, alphaPerElement: true, groups: 2 }),
    maxPool({ name: 'pool1', size: 3, stride: 2, rounding: 'ceil' }),
    conv2d({ name: 'conv2', filters: 12, kernel: 3, padding: 1, groups: 2 }),
    tanh({ name: 'tanh2' }),
    localResponseNorm({ name: 'norm2', size: 3, alpha: 0.7, beta: 0.75, k: 1, alphaPerElement: true, across: 'space' }),
    averagePool({ name: 'pool2', size: 3, stride: 2, rounding: 'ceil' }),
    { layer: conv2d({ name: 'conv3', filters: 10, kernel: 3, padding: 1 }), from: 'all' },
    logistic({ name: 'logistic3' }),
    { layer: local2d({ name: 'local4', filters: 6, kernel: 3, padding: 1 }), from: 'all' },
    { layer: dense({ name: 'fc5', units: 16 }), from: 'all' },
    absTanh({ name: 'absTanh5' }),
    { layer: dense({ name: 'fc6', units: 5 }), from: 'all' },
  ],
});

function described(name: string, { without, images, logits }: Case): NetworkDescription {
  if (name === 'two-columns') return twoColumns;
  return alexnet({
    variant: name,
    classes: logits.shape[1]!,
    inputSize: images.shape[2]!,
    ...(without === undefined ? {} : { without }),
  });
}

describe('compared with PyTorch', () => {
  let gpu: Gpu;
  let buffers: number;
  beforeAll(async () => {
    gpu = await testGpu();
    buffers = gpu.liveBuffers;
  });
  afterAll(() => {
    expect(gpu.liveBuffers).toBe(buffers);
  });

  test.each(Object.entries(cases))('%s', async (name, content) => {
    const { labels, gradients, stepped } = content;
    const network = compileNetwork(described(name, content), gpu, {
      batch: labels.length,
      loss: softmaxCrossEntropy(),
      optimizer: sgd(content.sgd ?? {}),
    });
    try {
      network.loadParameters(
        Object.fromEntries(Object.entries(content.parameters).map(([path, range]) => [path, made(path, range)])),
      );
      // The fixtures were made from values under this name.
      const images = made('pictures', content.images);

      expect(difference(await network.forward(images), content.logits), 'logits').toBeLessThan(tolerance);
      const { losses } = await network.evaluate(images, labels);
      const loss = losses.reduce((sum, value) => sum + value) / losses.length;
      expect(Math.abs(loss - content.loss) / content.loss, 'loss').toBeLessThan(tolerance);

      if (gradients) compare(await network.gradients(images, labels), gradients);
      if (stepped) {
        for (let step = 0; step < 3; step++) await network.step(images, labels);
        compare(await network.parameters(), stepped);
      }
    } finally {
      network.dispose();
    }
  });
});

/** Every parameter or its gradient, by dotted name. */
function compare(got: Readonly<Record<string, HostTensor>>, want: Readonly<Record<string, Stored>>): void {
  expect(Object.keys(got).sort()).toEqual(Object.keys(want).sort());
  for (const [path, tensor] of Object.entries(got)) {
    expect(difference(tensor, want[path]!), path).toBeLessThan(tolerance);
  }
}
