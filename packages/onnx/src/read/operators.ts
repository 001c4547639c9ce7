import type { Handler } from './chain.js';
import { abs, dropoutOf, identity, reluOf, sigmoid, softmax, tanhOf } from './operators/elementwise.js';
import { lrn } from './operators/norms.js';
import { addConstant, batchNorm, gemm, matMul, multiply } from './operators/products.js';
import { cast, gather, reshape, slice, transpose } from './operators/shapes.js';
import { conv, globalAverage, pad, pooling } from './operators/windows.js';

/** What is understood, by operator. */
export const handlers: Readonly<Record<string, Handler>> = {
  Abs: abs,
  Add: addConstant(1),
  AveragePool: pooling('average'),
  BatchNormalization: batchNorm,
  Cast: cast,
  Conv: conv,
  Div: multiply(true),
  Dropout: dropoutOf,
  Flatten: reshape,
  Gather: gather,
  Gemm: gemm,
  GlobalAveragePool: globalAverage,
  Identity: identity,
  LRN: lrn,
  MatMul: matMul,
  MaxPool: pooling('max'),
  Mul: multiply(false),
  Pad: pad,
  ReduceMean: globalAverage,
  Relu: reluOf,
  Reshape: reshape,
  Sigmoid: sigmoid,
  Slice: slice,
  Softmax: softmax,
  Squeeze: reshape,
  Sub: addConstant(-1),
  Tanh: tanhOf,
  Transpose: transpose,
  Unsqueeze: reshape,
};

/** What to do about operators that are often found, but not understood. */
export const remedies: Readonly<Record<string, string>> = {
  DequantizeLinear: 'the model is quantized; export it before its quantization',
  QuantizeLinear: 'the model is quantized; export it before its quantization',
  QLinearConv: 'the model is quantized; export it before its quantization',
  ConvInteger: 'the model is quantized; export it before its quantization',
  LogSoftmax: 'give the scores or their softmax as the output',
  Concat: 'columns that are computed beside each other must be one grouped convolution',
  Split: 'columns that are computed beside each other must be one grouped convolution',
};
