import { absTanh, logistic, relu, tanh } from '@alex/activations';
import { dropout } from '@alex/dropout';
import type { Layer } from '@alex/tensor';
import type { Handler } from '../chain.js';

/** An activation: the shape stays. */
export const activation =
  (word: string, make: (options: { name: string }) => Layer): Handler =>
  (chain, node) => {
    node.checkAttributes();
    const { shape } = chain;
    chain.add(node, word, (name) => make({ name }));
    chain.pass(node, shape);
  };

export const reluOf = activation('relu', relu);
export const sigmoid = activation('logistic', logistic);
export const tanhOf = activation('tanh', tanh);

/** `Abs`, after `Tanh` only. */
export const abs: Handler = (chain, node) => {
  const last = chain.layers.at(-1);
  if (last?.kind !== 'tanh') return node.refuse('the absolute value is taken of a Tanh only');
  chain.layers.pop();
  activation('absTanh', absTanh)(chain, node);
};

export const identity: Handler = (chain, node) => chain.pass(node);

/** Outside training, ONNX's dropout does nothing; the layer is kept for training. */
export const dropoutOf: Handler = (chain, node) => {
  node.checkAttributes('ratio', 'seed');
  if (chain.graph.constant(node.inputs[2])?.data[0])
    node.refuse('its training_mode is on; export the model for inference');
  const { shape } = chain;
  const ratio = chain.graph.constant(node.inputs[1])?.data[0] ?? node.float('ratio', 0.5);
  if (ratio > 0) {
    chain.add(node, 'dropout', (name) => dropout({ name, probability: Number(ratio.toPrecision(6)), inverted: true }));
  }
  chain.pass(node, shape);
};

/** `Softmax` over the classes, which must come last. */
export const softmax: Handler = (chain, node) => {
  node.checkAttributes('axis');
  const axis = node.int('axis', chain.graph.opset < 13 ? 1 : -1);
  const rest = chain.shape.slice(2).every((size) => size === 1);
  if (
    (axis !== 1 && axis !== chain.shape.length - 1 && axis !== -1) ||
    !rest ||
    (axis === -1 && chain.shape.length > 2)
  ) {
    node.refuse(`it is over the axis ${axis} of [${chain.shape.join(', ')}]; only one over the classes is understood`);
  }
  chain.softmax = true;
  chain.pass(node);
};
