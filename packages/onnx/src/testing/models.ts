import { type ModelParts, node } from './build-model.js';
import { made } from './values.js';

/** Weights with which activations stay about as large. */
export const weights = (name: string, ...shape: number[]) =>
  made(name, shape, Math.sqrt(6 / (shape.slice(1).reduce((a, b) => a * b, 1) || 6)));

/** The model zoo's bvlc_alexnet, smaller: names of Caffe2, pooling with explicit padding, masks, constants as inputs. */
export const caffe2: ModelParts = {
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
export const pytorch: ModelParts = {
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
