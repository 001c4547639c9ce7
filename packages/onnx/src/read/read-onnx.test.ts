import { alexnet, type Variant, variants } from '@alex/model-alexnet';
import { CheckpointError, type Gpu, type HostTensor, type NetworkDescription } from '@alex/tensor';
import { toHalves } from '@alex/tensor/kernels';
import { testGpu } from '@alex/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { dataTypes } from '../protobuf/messages.js';
import { build, floats, type ModelParts, node, wholeNumbers } from '../testing/build-model.js';
import { forward } from '../testing/forward.fixture.js';
import { difference, runModel } from '../testing/runtime.js';
import { made, madeParameters } from '../testing/values.js';
import { writeOnnx } from '../write/write-onnx.js';
import { type OnnxNetwork, type ReadOnnxOptions, readOnnx } from './read-onnx.js';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

/** Reads a model, and expects of the network what ONNX Runtime makes of the model. */
async function agreed(parts: ModelParts, options: ReadOnnxOptions = {}): Promise<OnnxNetwork> {
  const model = build(parts);
  const network = await readOnnx(model, options);
  const [images, ...sizes] = parts.input;
  const given = made('images', [typeof images === 'number' ? images : 2, ...(sizes as number[])]);
  const wanted = await runModel(model, given);
  const own = await forward(gpu, network.description, network.parameters, given);
  expect(wanted.data.some((value) => Math.abs(value) > 0.01)).toBe(true);
  expect(difference(own, { shape: own.shape, data: wanted.data })).toBeLessThan(1e-5);
  return network;
}

const kindsOf = ({ layers }: NetworkDescription) => layers.map(({ layer }) => layer.kind).join(' ');
const namesOf = ({ layers }: NetworkDescription) => layers.map(({ layer }) => layer.name).join(' ');

/** What layers compute outside training, which is all that a model says. */
function inferenceOf({ layers }: NetworkDescription): object[] {
  return layers.flatMap(({ layer, outputShape }): object[] => {
    const { ties, rounding, inverted, probability, alpha, alphaPerElement, padding, ...options } = layer.options ?? {};
    if (layer.kind === 'dropout') return inverted ? [] : [{ kind: 'dropout', probability }];
    const share =
      layer.kind === 'localResponseNorm' && !alphaPerElement ? (alpha as number) * (options['size'] as number) : alpha;
    // Within a map, groups of maps change nothing.
    const groups = options['across'] === 'space' ? { groups: 1 } : {};
    const window = layer.kind.endsWith('Pool') ? {} : { padding };
    return [
      {
        kind: layer.kind,
        outputShape,
        ...options,
        ...groups,
        ...window,
        ...(share !== undefined && { alpha: Math.fround(share as number) }),
      },
    ];
  });
}

describe('a written network is read again as it was:', () => {
  const sizes: Partial<Record<Variant, number>> = { small: 56 };
  it.each(variants)('$name', async ({ name, inputSize }) => {
    const description = alexnet({ variant: name, inputSize: sizes[name] ?? Math.min(inputSize, 71), classes: 7 });
    const parameters = madeParameters(description);
    const read = await readOnnx(writeOnnx(description, parameters, { metadata: { variant: name } }));
    expect(inferenceOf(read.description)).toEqual(inferenceOf(description));
    expect(read).toMatchObject({ softmax: true, metadata: { variant: name }, producer: 'Alex' });
    expect(read.description.input).toEqual(description.input);
    const [own, again] = [parameters, read.parameters].map((all) => Object.values(all).map(({ data }) => data));
    expect(again!.length).toBe(own!.length);
    expect(
      own!.every((data, i) => Buffer.compare(Buffer.from(data.buffer), Buffer.from(again![i]!.buffer)) === 0),
    ).toBe(true);
  });

  it('with the nodes that prepare images', async () => {
    const description = alexnet({ variant: 'small', inputSize: 24, classes: 3 });
    const parameters = madeParameters(description);
    const image = made('mean', [3, 32, 30], 100);
    for (const preprocessing of [
      { imageSize: [32, 30] as const, mean: [1, 2, 3], scale: 64 },
      { imageSize: [32, 30] as const, mean: image, scale: 1 },
      { imageSize: [24, 24] as const, mean: [1, 2, 3], scale: 1 },
    ]) {
      const read = await readOnnx(writeOnnx(description, parameters, { preprocessing }));
      expect(read.preprocessing).toEqual(preprocessing);
      expect(inferenceOf(read.description)).toEqual(inferenceOf(description));
    }
  });
});

const weights = (name: string, ...shape: number[]) =>
  made(name, shape, Math.sqrt(6 / (shape.slice(1).reduce((a, b) => a * b, 1) || 6)));

/** The model zoo's bvlc_alexnet, smaller: names of Caffe2, pooling with explicit padding, masks, constants as inputs. */
const caffe2: ModelParts = {
  isOld: true,
  opset: 7,
  input: [1, 3, 61, 61],
  constants: {
    conv1_w_0: weights('w1', 8, 3, 11, 11),
    conv1_b_0: weights('b1', 8),
    conv2_w_0: weights('w2', 12, 4, 5, 5),
    conv2_b_0: weights('b2', 12),
    OC2_DUMMY_1: [1, 12 * 3 * 3],
    fc6_w_0: weights('w6', 16, 108),
    fc6_b_0: weights('b6', 16),
    fc8_w_0: weights('w8', 5, 16),
    fc8_b_0: weights('b8', 5),
  },
  nodes: [
    node('Conv', 'x conv1_w_0 conv1_b_0', 'conv1_1', { kernel_shape: [11, 11], strides: [4, 4], pads: [0, 0, 0, 0] }),
    node('Relu', 'conv1_1', 'conv1_2'),
    node('LRN', 'conv1_2', 'norm1_1', { size: 5, alpha: { float: 1e-4 }, beta: { float: 0.75 }, bias: { float: 1 } }),
    node('MaxPool', 'norm1_1', 'pool1_1', { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, 1, 1] }),
    node('Conv', 'pool1_1 conv2_w_0 conv2_b_0', 'conv2_1', { kernel_shape: [5, 5], group: 2, pads: [2, 2, 2, 2] }),
    node('Relu', 'conv2_1', 'conv2_2'),
    node('MaxPool', 'conv2_2', 'pool2_1', { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, 1, 1] }),
    node('Reshape', 'pool2_1 OC2_DUMMY_1', 'OC2_DUMMY_0'),
    node('Gemm', 'OC2_DUMMY_0 fc6_w_0 fc6_b_0', 'fc6_1', { transB: 1 }),
    node('Relu', 'fc6_1', 'fc6_2'),
    node('Dropout', 'fc6_2', 'fc6_3 _fc6_mask_1', { ratio: { float: 0.5 } }),
    node('Gemm', 'fc6_3 fc8_w_0 fc8_b_0', 'fc8_1', { transB: 1 }),
  ],
};

/** torchvision's alexnet as PyTorch exports it, smaller: Flatten, the adaptive pooling as another or none, dropout gone. */
const pytorch: ModelParts = {
  input: ['batch', 3, 63, 63],
  constants: {
    'features.0.weight': weights('w1', 6, 3, 11, 11),
    'features.0.bias': weights('b1', 6),
    'features.3.weight': weights('w2', 8, 6, 5, 5),
    'features.3.bias': weights('b2', 8),
    'classifier.1.weight': weights('w6', 16, 72),
    'classifier.1.bias': weights('b6', 16),
    'classifier.6.weight': weights('w8', 5, 16),
    'classifier.6.bias': weights('b8', 5),
  },
  nodes: [
    node('Conv', 'x features.0.weight features.0.bias', '1', {
      ...{ dilations: [1, 1], group: 1, kernel_shape: [11, 11], pads: [2, 2, 2, 2], strides: [4, 4] },
    }),
    node('Relu', '1', '2'),
    node('MaxPool', '2', '3', { kernel_shape: [3, 3], pads: [0, 0, 0, 0], strides: [2, 2] }),
    node('Conv', '3 features.3.weight features.3.bias', '4', { kernel_shape: [5, 5], pads: [2, 2, 2, 2] }),
    node('Relu', '4', '5'),
    node('MaxPool', '5', '6', { kernel_shape: [3, 3], strides: [2, 2] }),
    node('AveragePool', '6', '7', { kernel_shape: [1, 1], strides: [1, 1] }),
    node('Flatten', '7', '8', { axis: 1 }),
    node('Gemm', '8 classifier.1.weight classifier.1.bias', '9', {
      alpha: { float: 1 },
      beta: { float: 1 },
      transB: 1,
    }),
    node('Relu', '9', '10'),
    node('Identity', '10', '11'),
    node('Gemm', '11 classifier.6.weight classifier.6.bias', '12', { transB: 1 }),
  ],
};

describe("other programs' models", () => {
  it('with names of Caffe2', async () => {
    const { description } = await agreed(caffe2);
    expect(kindsOf(description)).toBe(
      'conv2d relu localResponseNorm maxPool conv2d relu maxPool dense relu dropout dense',
    );
    expect(namesOf(description)).toBe('conv1 relu1 norm1 pool1 conv2 relu2 pool2 fc3 relu3 dropout3 fc4');
  });

  it('of PyTorch', async () => {
    const { description } = await agreed(pytorch);
    expect(kindsOf(description)).toBe('conv2d relu maxPool conv2d relu maxPool dense relu dense');
  });

  it.each([7, 9, 11, 12, 13, 15, 17, 18, 19, 20])('of opset %i', async (opset) => {
    // Dropout and Softmax changed between these.
    const softmax = node('Softmax', 'flat', 'y', { axis: 1 });
    const { softmax: found } = await readOnnx(
      build({ ...pytorch, opset, nodes: [...pytorch.nodes, node('Flatten', '12', 'flat'), softmax] }),
    );
    expect(found).toBe(true);
    await agreed({ ...pytorch, opset });
  });

  const { 'classifier.1.weight': w6, ...others } = pytorch.constants as Record<string, HostTensor>;
  const turned = {
    shape: [72, 16],
    data: Float32Array.from({ length: 72 * 16 }, (_, i) => w6!.data[(i % 16) * 72 + Math.floor(i / 16)]!),
  };
  const replace = (from: string, ...nodes: ReturnType<typeof node>[]) =>
    pytorch.nodes.flatMap((one) => (one.outputs![0] === from ? nodes : [one]));

  it.each<[string, Partial<ModelParts>]>([
    [
      'with a weight that is not transposed',
      {
        constants: { ...others, t: turned },
        nodes: replace('9', node('Gemm', '8 t classifier.1.bias', '9', { alpha: { float: 0.5 }, beta: { float: 2 } })),
      },
    ],
    [
      'with MatMul and Add',
      {
        constants: { ...others, t: turned },
        nodes: replace('9', node('MatMul', '8 t', 'm'), node('Add', 'classifier.1.bias m', '9')),
      },
    ],
    [
      'with a transposed constant',
      {
        nodes: replace(
          '9',
          node('Transpose', 'classifier.1.weight', 't', { perm: [1, 0] }),
          node('MatMul', '8 t', 'm'),
          node('Add', 'm classifier.1.bias', '9'),
        ),
      },
    ],
    [
      'with a convolution without bias, and Add',
      {
        constants: { ...pytorch.constants, b: { ...weights('b1', 6), shape: [1, 6, 1, 1] } },
        nodes: replace(
          '1',
          node('Conv', 'x features.0.weight', 'c', { pads: [2, 2, 2, 2], strides: [4, 4] }),
          node('Add', 'c b', '1'),
        ),
      },
    ],
    [
      'with constants as nodes',
      {
        constants: others,
        nodes: replace(
          '9',
          node('Constant', '-', 'c', { value: floats(w6!) }),
          node('Identity', 'c', 'w'),
          node('Gemm', '8 w classifier.1.bias', '9', { transB: 1 }),
        ),
      },
    ],
    [
      'with a shape that is computed',
      {
        constants: { ...pytorch.constants, zero: wholeNumbers([0]), rest: [-1], axes: [0] },
        nodes: replace(
          '8',
          node('Shape', '7', 's'),
          node('Gather', 's zero', 'n', { axis: 0 }),
          node('Concat', 'n rest', 'r', { axis: 0 }),
          node('Reshape', '7 r', '8'),
        ),
      },
    ],
    [
      'with a global average',
      {
        constants: { ...pytorch.constants, 'classifier.1.weight': weights('w6', 16, 8) },
        nodes: replace('7', node('GlobalAveragePool', '6', '7')),
      },
    ],
    [
      'with a mean over height and width',
      {
        constants: { ...pytorch.constants, 'classifier.1.weight': weights('w6', 16, 8) },
        nodes: replace('7', node('ReduceMean', '6', '7', { axes: [2, 3], keepdims: 0 })),
      },
    ],
    [
      'with a dense layer as a convolution',
      {
        constants: {
          ...pytorch.constants,
          'classifier.1.weight': weights('w6', 16, 8, 3, 3),
          'classifier.6.weight': weights('w8', 5, 16, 1, 1),
        },
        nodes: [
          ...pytorch.nodes.slice(0, 7),
          node('Conv', '7 classifier.1.weight classifier.1.bias', '9'),
          node('Relu', '9', '10'),
          node('Conv', '10 classifier.6.weight classifier.6.bias', '11'),
          node('Squeeze', '11', '12', { axes: [2, 3] }),
        ],
        opset: 11,
      },
    ],
    [
      'with padding as a node',
      {
        opset: 10,
        nodes: replace(
          '4',
          node('Pad', '3', 'p', { pads: [0, 0, 1, 2, 0, 0, 1, 2] }),
          node('Conv', 'p features.3.weight features.3.bias', '4', { pads: [1, 0, 1, 0] }),
        ),
      },
    ],
    [
      'with padding by a constant, before pooling',
      {
        constants: {
          ...pytorch.constants,
          pads: [0, 0, 1, 1, 0, 0, 0, 0],
          zero: { shape: [], data: Float32Array.of(0) },
        },
        nodes: replace(
          '6',
          node('Pad', '5 pads zero', 'p'),
          node('MaxPool', 'p', '6', { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 0 }),
        ),
      },
    ],
    [
      'with padding that averages count',
      {
        constants: { ...pytorch.constants, pads: [0, 0, 1, 1, 0, 0, 0, 0] },
        nodes: replace(
          '6',
          node('Pad', '5 pads', 'p'),
          node('AveragePool', 'p', '6', { kernel_shape: [3, 3], strides: [2, 2] }),
        ),
      },
    ],
    [
      'with auto_pad SAME_UPPER',
      { nodes: replace('4', node('Conv', '3 features.3.weight features.3.bias', '4', { auto_pad: 'SAME_UPPER' })) },
    ],
    [
      'with auto_pad SAME_LOWER',
      {
        nodes: replace(
          '6',
          node('MaxPool', '5', 'q', { kernel_shape: [2, 2], auto_pad: 'SAME_LOWER' }),
          node('MaxPool', 'q', '6', { kernel_shape: [3, 3], strides: [2, 2], auto_pad: 'VALID' }),
        ),
      },
    ],
    [
      'with activations of other kinds',
      {
        nodes: [
          ...replace('10', node('Tanh', '9', 't'), node('Abs', 't', '10')).map((one) =>
            one.operator === 'Relu' ? { ...one, operator: 'Sigmoid' } : one,
          ),
        ],
      },
    ],
    [
      'with batch normalization',
      {
        constants: {
          ...pytorch.constants,
          s: made('s', [6]),
          o: made('o', [6]),
          m: made('m', [6]),
          v: { shape: [6], data: Float32Array.of(1, 2, 0.5, 3, 1, 0.1) },
        },
        nodes: replace(
          '2',
          node('BatchNormalization', '1 s o m v', 'n', { epsilon: { float: 1e-3 } }),
          node('Relu', 'n', '2'),
        ),
      },
    ],
    [
      'with dropout that multiplies',
      {
        constants: { ...pytorch.constants, half: { shape: [], data: Float32Array.of(0.5) } },
        nodes: replace('11', node('Mul', '10 half', '11')),
      },
    ],
    [
      'with counted padding and rounding up',
      {
        nodes: replace(
          '6',
          node('AveragePool', '5', '6', {
            kernel_shape: [3, 3],
            strides: [2, 2],
            count_include_pad: 1,
            ceil_mode: 0,
            pads: [0, 0, 0, 0],
          }),
        ),
      },
    ],
  ])('%s', async (_, parts) => {
    await agreed({ ...pytorch, ...parts });
  });

  it.each<[string, number, (tensor: HostTensor) => object, number]>([
    [
      'float16',
      1e-3,
      ({ data }) => ({ dataType: dataTypes.float16, raw: new Uint8Array(toHalves(data).buffer, 0, 2 * data.length) }),
      0,
    ],
    [
      'float16, number by number',
      1e-3,
      ({ data }) => ({ dataType: dataTypes.float16, int32s: [...toHalves(data)].slice(0, data.length) }),
      0,
    ],
    [
      'double',
      0,
      ({ data }) => ({ dataType: dataTypes.double, raw: new Uint8Array(Float64Array.from(data).buffer) }),
      0,
    ],
    [
      'double, number by number',
      0,
      ({ data }) => ({ dataType: dataTypes.double, doubles: Float64Array.from(data) }),
      0,
    ],
    [
      'bfloat16',
      1e-2,
      ({ data }) => ({
        dataType: dataTypes.bfloat16,
        raw: new Uint8Array(Uint16Array.from(new Uint32Array(data.buffer), (word) => word >>> 16).buffer),
      }),
      0,
    ],
  ])('with weights of %s', async (_, tolerance, convert) => {
    const weight = weights('w8', 5, 16);
    const constants = { ...pytorch.constants, 'classifier.6.weight': { dims: [5, 16], ...convert(weight) } };
    const { parameters } = await readOnnx(build({ ...pytorch, constants }));
    expect(difference(parameters['fc4.weight']!, weight)).toBeLessThanOrEqual(tolerance);
  });

  it('with weights in another file', async () => {
    const weight = weights('w8', 5, 16);
    const file = new Uint8Array([1, 2, 3, ...new Uint8Array(weight.data.buffer)]);
    const external = (location: string, length = 320) => ({
      ...{ dims: [5, 16], dataType: dataTypes.float, dataLocation: 1 },
      externalData: Object.entries({ location, offset: '3', length: `${length}` }).map(([key, value]) => ({
        key,
        value,
      })),
    });
    const read = (tensor: object, options: ReadOnnxOptions) =>
      readOnnx(build({ ...pytorch, constants: { ...pytorch.constants, 'classifier.6.weight': tensor } }), options);
    const externalData = async (location: string) => {
      expect(location).toBe('model.data');
      return file;
    };
    const { parameters } = await read(external('model.data'), { externalData });
    expect(parameters['fc4.weight']).toEqual(weight);
    await expect(read(external('model.data'), {})).rejects.toThrow(
      /classifier.6.weight: .*'model.data', which was not given/,
    );
    await expect(read(external('model.data', 321), { externalData })).rejects.toThrow(
      /323 bytes do not reach from 3 to 324/,
    );
    for (const outside of ['../model.data', '/etc/passwd', 'a/../../b', 'C:\\x', '']) {
      await expect(read(external(outside), { externalData })).rejects.toThrow(/which is not beside the model/);
    }
  });
});

describe('what is done to the images before the first layer', () => {
  const constants: Record<string, HostTensor | readonly number[]> = {
    ...(pytorch.constants as Record<string, HostTensor>),
    mean: { shape: [1, 3, 1, 1], data: Float32Array.of(10, 20, 30) },
    deviations: { shape: [3, 1, 1], data: Float32Array.of(2, 4, 5) },
    full: { shape: [], data: Float32Array.of(255) },
    order: [2, 1, 0],
    starts: [1, 2],
    ends: [64, 65],
    axes: [2, 3],
  };
  const before = (input: ModelParts['input'], ...nodes: ReturnType<typeof node>[]): ModelParts => ({
    input,
    constants,
    nodes: [
      ...nodes,
      { ...pytorch.nodes[0]!, inputs: [nodes.at(-1)!.outputs![0]!, 'features.0.weight', 'features.0.bias'] },
      ...pytorch.nodes.slice(1),
    ],
  });

  it('is separated from the network, and put into its first filters where it must be', async () => {
    const parts = before(
      [1, 3, 65, 67],
      node('Slice', 'x starts ends axes', 'a'),
      node('Div', 'a full', 'b'),
      node('Gather', 'b order', 'c', { axis: 1 }),
      node('Sub', 'c mean', 'd'),
      node('Div', 'd deviations', 'e'),
    );
    const model = build(parts);
    const { preprocessing, description, parameters } = await readOnnx(model);
    // Blue is the first channel of the filters: its mean of 10 is that of the third channel of the images.
    expect(preprocessing).toEqual({ imageSize: [65, 67], mean: [255 * 30, 255 * 20, 255 * 10], scale: 1 });
    expect(description.input).toEqual([3, 63, 63]);
    const pixels = made('pixels', [1, 3, 65, 67], 255);
    const images = { shape: [1, 3, 63, 63], data: new Float32Array(3 * 63 * 63) };
    for (let i = 0; i < images.data.length; i++) {
      const [channel, row, column] = [Math.floor(i / 3969), Math.floor((i % 3969) / 63) + 1, (i % 63) + 2];
      images.data[i] =
        pixels.data[channel * 65 * 67 + row * 67 + column]! - (preprocessing!.mean as number[])[channel]!;
    }
    const own = await forward(gpu, description, parameters, images);
    expect(difference(await runModel(model, pixels), own)).toBeLessThan(1e-5);
  });

  it.each<[ReturnType<typeof node>, RegExp]>([
    [node('Slice', 'x starts ends axes', 'a'), /\(Slice\): cuts out 63 x 62 pixels from 1, 2 on; only the centre/],
    [node('Gather', 'x order', 'a', { axis: 2 }), /\(Gather\): only the channels/],
    [node('Transpose', 'x', 'a', { perm: [0, 1, 3, 2] }), /\(Transpose\): changes the order of the axes to 0,1,3,2/],
  ])('is named if it is not understood: %#', async (first, message) => {
    await expect(readOnnx(build(before([1, 3, 64, 64], first)))).rejects.toThrow(message);
  });

  it('may turn images whose channels come last', async () => {
    const parts = before([1, 63, 63, 3], node('Transpose', 'x', 'a', { perm: [0, 3, 1, 2] }));
    expect((await readOnnx(build(parts))).description.input).toEqual([3, 63, 63]);
  });
});

describe('what is not understood is named, with the remedy:', () => {
  const change = (from: string, ...nodes: ReturnType<typeof node>[]) => ({
    ...pytorch,
    nodes: pytorch.nodes.flatMap((one) => (one.outputs![0] === from ? nodes : [one])),
  });
  it.each<[string, ModelParts, RegExp]>([
    [
      'an operator',
      change('2', node('LeakyRelu', '1', '2')),
      /^node '2' \(LeakyRelu\): this operator is not understood; export/,
    ],
    [
      'an operator of others',
      change('2', { ...node('FusedConv', '1', '2'), domain: 'com.microsoft' }),
      /\(com.microsoft.FusedConv\)/,
    ],
    ['quantization', change('2', node('QuantizeLinear', '1 s', '2')), /quantized; export it before its quantization/],
    [
      'a quantized weight',
      {
        ...pytorch,
        constants: {
          ...pytorch.constants,
          'features.0.weight': { dims: [1], dataType: dataTypes.int8, raw: Uint8Array.of(1) },
        },
      },
      /features.0.weight: has values of the type int8; .*quantized/,
    ],
    [
      'dilations',
      change('1', node('Conv', 'x features.0.weight', '1', { dilations: [2, 2] })),
      /^node '1' \(Conv\): the attribute dilations is 2, 2; only 1/,
    ],
    [
      'an attribute',
      change('2', node('Relu', '1', '2', { slope: 3 })),
      /^node '2' \(Relu\): the attribute slope is not understood/,
    ],
    [
      'a second reader',
      change('2', node('Relu', '1', 'r'), node('Add', 'r 1', '2')),
      /reads what .* reads as well; only layers one after the other/,
    ],
    [
      'a weight of another size',
      change('9', node('Gemm', '8 classifier.6.weight', '9', { transB: 1 })),
      /^node '9' \(Gemm\): its weight is for 16 values, and it gets 72/,
    ],
    [
      'a filter of other channels',
      {
        ...change('4', node('Conv', '3 other', '4')),
        constants: { ...pytorch.constants, other: weights('o', 8, 3, 5, 5) },
      },
      /^node '4' \(Conv\): its weight has the shape \[8, 3, 5, 5\]/,
    ],
    [
      'softmax in the middle',
      change('10', node('Softmax', '9', '10')),
      /\(Gemm\): follows the softmax, which must come last/,
    ],
    ['softmax over rows', change('12', node('Softmax', '7', '12', { axis: 2 })), /axis 2 of \[1, 8, 3, 3\]/],
    [
      'padding by others',
      {
        ...change(
          '4',
          node('Pad', '3', 'p', { pads: [0, 0, 1, 1, 0, 0, 1, 1], mode: 'reflect' }),
          node('Conv', 'p features.3.weight', '4'),
        ),
        opset: 10,
      },
      /\(Pad\): pads with the mode reflect/,
    ],
    ['windows of even size', change('2', node('LRN', '1', '2', { size: 4 })), /\(LRN\): its windows of 4 maps/],
    ['an old opset', { ...pytorch, opset: 6 }, /operators of opset 6; convert it to opset 7 or later/],
    ['an open size', { ...pytorch, input: [1, 3, 'height', 'width'] }, /'x' has the shape \[1, 3, \?, \?\]; .* fixed/],
    [
      'a second input',
      { ...change('1', node('Conv', 'x features.0.weight', '1')), nodes: [node('Relu', 'other', 'y')] },
      /nothing leads from 'x' to the output/,
    ],
  ])('%s', async (_, parts, message) => {
    const reading = readOnnx(build(parts));
    await expect(reading).rejects.toThrow(CheckpointError);
    await expect(reading).rejects.toThrow(message);
  });

  it('a file that is truncated, or none', async () => {
    const whole = build({
      ...pytorch,
      nodes: pytorch.nodes.slice(-1),
      constants: { 'classifier.6.weight': weights('w', 5, 3) },
    });
    for (let length = 0; length < whole.length; length++) {
      const reading = readOnnx(whole.subarray(0, length));
      await expect(reading, `${length}`).rejects.toThrow(CheckpointError);
    }
    await expect(readOnnx(new TextEncoder().encode('PK not a model at all'))).rejects.toThrow(
      /not a usable ONNX model/,
    );
    await expect(readOnnx(new Uint8Array(64).fill(255))).rejects.toThrow(/not a usable ONNX model/);
  });

  it('an option that there is not', async () => {
    await expect(readOnnx(build(pytorch), { externaldata: 1 } as never)).rejects.toThrow(
      /unknown option 'externaldata'/,
    );
  });
});
