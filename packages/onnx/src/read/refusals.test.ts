import { CheckpointError } from '@alex/tensor';
import { describe, expect, it } from 'vitest';
import { dataTypes } from '../protobuf/messages.js';
import { build, type ModelParts, node } from '../testing/build-model.js';
import { pytorch, weights } from '../testing/models.js';
import { readOnnx } from './read-onnx.js';

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
    [
      'zeros that may be the maximum',
      {
        ...change(
          '2',
          node('Pad', '1', 'p', { pads: [0, 0, 1, 1, 0, 0, 0, 0] }),
          node('MaxPool', 'p', '2', { kernel_shape: [2, 2] }),
        ),
        opset: 10,
      },
      /\(MaxPool\): zeros around the maps may be the maximum of a window/,
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
