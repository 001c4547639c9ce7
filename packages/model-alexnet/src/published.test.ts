import { relu } from '@alex/activations';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { localResponseNorm } from '@alex/lrn';
import { sgd } from '@alex/optim';
import { maxPool } from '@alex/pool';
import {
  CheckpointError,
  describeNetwork,
  type Gpu,
  type HostTensor,
  type Layer,
  type NetworkDescription,
} from '@alex/tensor';
import { elementCount, threefry2x32 } from '@alex/tensor/kernels';
import { compileNetwork } from '@alex/tensor/network';
import { testGpu } from '@alex/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { alexnet, forPublished, fromPublished, type PublishedForm, publishedForms } from './index.js';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

const side = 19;
const classes = 4;

/** The published networks with fewer maps: the same layers, names and order. */
const small: Record<PublishedForm['variant'], NetworkDescription> = {
  torchvision: describeNetwork({
    name: 'small torchvision',
    input: [3, side, side],
    layers: [
      conv2d({ name: 'conv1', filters: 4, kernel: 5, stride: 2, padding: 2 }),
      relu({ name: 'relu1' }),
      maxPool({ name: 'pool1', size: 3, stride: 2, rounding: 'floor' }),
      conv2d({ name: 'conv2', filters: 6, kernel: 3, padding: 1 }),
      relu({ name: 'relu2' }),
      ...['conv3', 'conv4', 'conv5'].map((name) => conv2d({ name, filters: 4, kernel: 3, padding: 1 })),
      dense({ name: 'fc6', units: 5 }),
      relu({ name: 'relu6' }),
      dense({ name: 'fc7', units: 5 }),
      dense({ name: 'fc8', units: classes }),
    ],
  }),
  caffe: ofCaffe('small caffe', 'norm1', 'pool1'),
  caffenet: ofCaffe('small caffenet', 'pool1', 'norm1'),
};

/** Caffe's two networks, with normalization and pooling in this order. */
function ofCaffe(name: string, ...order: readonly ('norm1' | 'pool1')[]): NetworkDescription {
  const both = {
    norm1: localResponseNorm({ name: 'norm1', size: 5, alpha: 1e-4, beta: 0.75, k: 1, alphaPerElement: true }),
    pool1: maxPool({ name: 'pool1', size: 3, stride: 2, rounding: 'ceil' }),
  };
  return describeNetwork({
    name,
    input: [3, side, side],
    layers: [
      conv2d({ name: 'conv1', filters: 4, kernel: 5, stride: 2 }),
      relu({ name: 'relu1' }),
      ...order.map((layer) => both[layer]),
      conv2d({ name: 'conv2', filters: 6, kernel: 3, padding: 1, groups: 2 }),
      relu({ name: 'relu2' }),
      conv2d({ name: 'conv3', filters: 4, kernel: 3, padding: 1 }),
      ...['conv4', 'conv5'].map((name) => conv2d({ name, filters: 4, kernel: 3, padding: 1, groups: 2 })),
      dense({ name: 'fc6', units: 5 }),
      relu({ name: 'relu6' }),
      dense({ name: 'fc7', units: 5 }),
      dense({ name: 'fc8', units: classes }),
    ],
  });
}

const learnedOf = ({ layers }: NetworkDescription) =>
  layers.flatMap(({ layer, parameters }) => parameters.map((parameter) => ({ layer, ...parameter })));

/** The contents of a file of this format. */
function published(form: PublishedForm, description: NetworkDescription): Record<string, HostTensor> {
  return Object.fromEntries(
    learnedOf(description).map(({ layer, name, shape }, index) => {
      const fanIn = Math.max(1, elementCount(shape.slice(1)));
      const data = Float32Array.from(
        { length: elementCount(shape) },
        (_, i) =>
          (2 * (threefry2x32(index, 0, i, 0)[0] / 2 ** 32) - 1) * (name === 'weight' ? 2 / Math.sqrt(fanIn) : 0.1),
      );
      // Files of 2014 give four sizes for everything.
      const sizes = form.variant === 'caffe' ? [...new Array<number>(4 - shape.length).fill(1), ...shape] : [...shape];
      return [`${form.layers[layer.name]}.${name}`, { shape: sizes, data }];
    }),
  );
}

/** Maps `[channel][y][x]`, as the published networks compute them: float64 and loops. */
type Maps = number[][][];

function convolve(
  maps: Maps,
  { data }: HostTensor,
  bias: HostTensor,
  shape: readonly number[],
  options: ConvolutionOptions,
): Maps {
  const [filters, channels, size] = shape as [number, number, number];
  const { stride = 1, padding = 0, groups = 1 } = options;
  const outputs = Math.floor((maps[0]!.length + 2 * padding - size) / stride) + 1;
  return Array.from({ length: filters }, (_, filter) => {
    const first = Math.floor((filter * groups) / filters) * channels;
    return grid(outputs, (y, x) => {
      let sum = bias.data[filter]!;
      for (let c = 0; c < channels; c++) {
        for (let dy = 0; dy < size; dy++) {
          for (let dx = 0; dx < size; dx++) {
            const value = maps[first + c]![y * stride - padding + dy]?.[x * stride - padding + dx] ?? 0;
            sum += value * data[((filter * channels + c) * size + dy) * size + dx]!;
          }
        }
      }
      return sum;
    });
  });
}

interface ConvolutionOptions {
  readonly stride?: number;
  readonly padding?: number;
  readonly groups?: number;
}

const grid = (size: number, value: (y: number, x: number) => number) =>
  Array.from({ length: size }, (_, y) => Array.from({ length: size }, (_, x) => value(y, x)));

const rectify = (maps: Maps) => maps.map((map) => map.map((row) => row.map((value) => Math.max(0, value))));

function pool(maps: Maps, round: (value: number) => number): Maps {
  const size = maps[0]!.length;
  return maps.map((map) =>
    grid(round((size - 3) / 2) + 1, (y, x) => {
      const window = [0, 1, 2].flatMap((dy) => [0, 1, 2].map((dx) => map[2 * y + dy]?.[2 * x + dx] ?? -Infinity));
      return Math.max(...window);
    }),
  );
}

function normalize(maps: Maps): Maps {
  return maps.map((map, c) =>
    grid(map.length, (y, x) => {
      const squares = maps.slice(Math.max(0, c - 2), c + 3).reduce((sum, other) => sum + other[y]![x]! ** 2, 0);
      return map[y]![x]! / (1 + (1e-4 / 5) * squares) ** 0.75;
    }),
  );
}

function multiply(values: number[], { data }: HostTensor, bias: HostTensor): number[] {
  return Array.from(bias.data, (start, unit) =>
    values.reduce((sum, value, i) => sum + value * data[unit * values.length + i]!, start),
  );
}

/** The outputs for one image of pixel values, by the rules of the published network. */
function byHand(form: PublishedForm, tensors: Record<string, HostTensor>, grey: Maps): number[] {
  const caffe = form.variant !== 'torchvision';
  const of = (name: string) =>
    [tensors[`${form.layers[name]}.weight`]!, tensors[`${form.layers[name]}.bias`]!] as const;
  const shapeOf = (name: string) => learnedOf(small[form.variant]).find(({ path }) => path === `${name}.weight`)!.shape;
  const conv = (maps: Maps, name: string, options: ConvolutionOptions) =>
    convolve(maps, ...of(name), shapeOf(name), options);
  // torchvision: ToTensor, Normalize. Caffe: blue first, minus the mean.
  const normalized = grey.map((map, c) =>
    map.map((row) =>
      row.map((level) =>
        caffe
          ? level - [122.67891434, 116.66876762, 104.00698793][c]!
          : (level / 255 - [0.485, 0.456, 0.406][c]!) / [0.229, 0.224, 0.225][c]!,
      ),
    ),
  );
  let maps = caffe ? normalized.reverse() : normalized;
  maps = rectify(conv(maps, 'conv1', { stride: 2, padding: caffe ? 0 : 2 }));
  if (form.variant === 'caffe') maps = normalize(maps);
  maps = pool(maps, caffe ? Math.ceil : Math.floor);
  if (form.variant === 'caffenet') maps = normalize(maps);
  const groups = caffe ? 2 : 1;
  maps = rectify(conv(maps, 'conv2', { padding: 1, groups }));
  maps = conv(maps, 'conv3', { padding: 1 });
  for (const name of ['conv4', 'conv5']) maps = conv(maps, name, { padding: 1, groups });
  const values = multiply(maps.flat(2), ...of('fc6')).map((value) => Math.max(0, value));
  return multiply(multiply(values, ...of('fc7')), ...of('fc8'));
}

describe.each(['torchvision', 'caffe', 'caffenet'] as const)('published weights of %s', (variant) => {
  const form: PublishedForm = publishedForms[variant];
  const description = small[variant];

  it.each([1, 57.6])("reproduce the published network's outputs for the same image, divided by %f", async (scale) => {
    const tensors = published(form, description);
    const network = compileNetwork(description, gpu, {
      batch: 2,
      loss: softmaxCrossEntropy(),
      optimizer: sgd(),
      training: false,
    });
    try {
      network.loadParameters(fromPublished('file', tensors, form, description, scale));
      const grey = [0, 1].map((image) =>
        [0, 1, 2].map((c) => grid(side, (y, x) => threefry2x32(image, c, y, x)[0] % 256)),
      );
      const data = Float32Array.from(
        grey.flatMap((image) => image.flatMap((map, c) => map.flat().map((level) => (level - form.mean[c]!) / scale))),
      );
      const { data: outputs } = await network.forward({ shape: [2, 3, side, side], data });
      for (const [image, maps] of grey.entries()) {
        const expected = byHand(form, tensors, maps);
        const largest = Math.max(...expected.map(Math.abs));
        for (const [k, value] of expected.entries()) {
          expect(Math.abs(outputs[image * classes + k]! - value)).toBeLessThan(1e-4 * largest);
        }
      }
    } finally {
      network.dispose();
    }
  });

  it('come back from what is written for the published network', () => {
    const tensors = published(form, description);
    const own = fromPublished('file', tensors, form, description, 64);
    const again = forPublished(own, form, description, 64);
    for (const [name, { data }] of Object.entries(tensors)) {
      expect(again[name]!.data.length, name).toBe(data.length);
      const error = Math.max(...data.map((value, i) => Math.abs(again[name]!.data[i]! - value)));
      expect(error, name).toBeLessThan(name === `${form.layers['conv1']}.weight` ? 1e-7 : 1e-30);
    }
    const { 'conv3.bias': bias, ...others } = own;
    expect(bias).toBeDefined();
    expect(() => forPublished(others, form, description)).toThrow(/conv3.bias: must be there .*\[4\], got nothing/);
  });

  it('report what does not fit, under the name in the file', () => {
    const refused = (change: (tensors: Record<string, HostTensor>) => void, message: RegExp) => {
      const tensors = published(form, description);
      change(tensors);
      const convert = () => fromPublished('some.file', tensors, form, description);
      expect(convert).toThrow(CheckpointError);
      expect(convert).toThrow(message);
    };
    const third = `${form.layers['conv3']}.bias`;
    refused(
      (tensors) => delete tensors[third],
      new RegExp(`^some.file: ${third} is missing; ${variant} needs it as its conv3.bias`),
    );
    refused((tensors) => {
      tensors['extra'] = { shape: [1], data: new Float32Array(1) };
    }, /contains extra, which \w+ does not have/);
    refused(
      (tensors) => {
        tensors[third] = { shape: [5], data: new Float32Array(5) };
      },
      new RegExp(`${third} must have the shape \\[4\\] to be conv3.bias of ${variant}, got \\[5\\]`),
    );
  });

  it('have a name for every layer that learns', () => {
    const layers = alexnet({ variant }).layers.filter(({ parameters }) => parameters.length > 0);
    expect(layers.map(({ layer }: { layer: Layer }) => layer.name)).toEqual(Object.keys(form.layers));
  });
});
