import type { Gpu, HostTensor, NetworkDescription } from '@alex/tensor';
import { testGpu } from '@alex/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { build, floats, type ModelParts, node, wholeNumbers } from '../testing/build-model.js';
import { forward } from '../testing/forward.fixture.js';
import { caffe2, pytorch, weights } from '../testing/models.js';
import { difference, runModel } from '../testing/runtime.js';
import { made } from '../testing/values.js';
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
      'with padding after normalization, before pooling',
      {
        opset: 10,
        nodes: replace(
          '6',
          node('LRN', '5', 'n', { size: 3 }),
          node('Pad', 'n', 'p', { pads: [0, 0, 1, 1, 0, 0, 0, 0] }),
          node('MaxPool', 'p', '6', { kernel_shape: [3, 3], strides: [2, 2] }),
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
});
