import { dropout } from '@alex/dropout';
import { dense } from '@alex/layers-dense';
import type { HostTensor } from '@alex/tensor';
import { elementsPerImage } from '@alex/tensor/kernels';
import { type Chain, floatsOf, type Handler, type Learned } from '../chain.js';
import type { Node } from '../node.js';
import type { ConstantValue } from '../tensor-values.js';
import { biasOf } from './windows.js';

export const gemm: Handler = (chain, node) => {
  node.checkAttributes('alpha', 'beta', 'transA', 'transB', 'broadcast');
  node.mustBe('transA', 0);
  const matrix = chain.constant(node, 1, 'weight');
  const weight = scaled(asRows(node, matrix, node.int('transB', 0) === 1), node.float('alpha', 1));
  const bias = scaled(biasOf(chain, node, weight.shape[0]!), node.float('beta', 1));
  addDense(chain, node, weight, bias);
};

export const matMul: Handler = (chain, node) => {
  node.checkAttributes();
  if (node.inputs[0] !== chain.value)
    node.refuse('its first operand must be computed from the images, its second a constant');
  const weight = asRows(node, chain.constant(node, 1, 'second operand'), false);
  addDense(chain, node, weight, { shape: [weight.shape[0]!], data: new Float32Array(weight.shape[0]!) });
};

function addDense(chain: Chain, node: Node, weight: HostTensor, bias: HostTensor): void {
  if (chain.shape.length !== 2) {
    node.refuse(
      `it needs a list of values for each image, [N, F], and gets [${chain.shape.join(', ')}]; flatten them before`,
    );
  }
  const [units = 0, inputs] = weight.shape;
  if (inputs !== elementsPerImage(chain.own)) {
    node.refuse(`its weight is for ${inputs} values, and it gets ${elementsPerImage(chain.own)}`);
  }
  chain.addLearned(node, 'fc', (name) => dense({ name, units }), weight, bias);
}

/** A matrix with a row for each unit. */
function asRows(node: Node, { shape, data }: ConstantValue, isSo: boolean): HostTensor {
  if (shape.length !== 2) node.refuse(`its weight has the shape [${shape.join(', ')}]; it must be a matrix`);
  const [rows, columns] = shape as [number, number];
  const values = floatsOf({ shape, data });
  if (isSo) return { shape: [rows, columns], data: values };
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) turned[column * rows + row] = values[row * columns + column]!;
  }
  return { shape: [columns, rows], data: turned };
}

function scaled({ shape, data }: HostTensor, factor: number): HostTensor {
  return { shape, data: factor === 1 ? data : data.map((value) => value * factor) };
}

/** `Add` or `Sub` of a constant: the bias of the layer before, or a step of what prepares the images. */
export const addConstant =
  (sign: 1 | -1): Handler =>
  (chain, node) => {
    node.checkAttributes();
    const value = otherOperand(chain, node, sign === -1);
    const signed = scaled(value, sign);
    if (chain.layers.length === 0) {
      chain.images.subtract(node, scaled(signed, -1));
      return chain.pass(node);
    }
    const { bias } = openLayer(chain, node);
    const terms = perUnit(node, signed, bias, chain.shape);
    for (let i = 0; i < bias.data.length; i++) bias.data[i]! += terms(i);
    chain.pass(node);
  };

/** `Mul` or `Div` by a constant. */
export const multiply =
  (isDivision: boolean): Handler =>
  (chain, node) => {
    node.checkAttributes();
    const value = otherOperand(chain, node, isDivision);
    if (chain.layers.length === 0) {
      chain.images.divide(node, isDivision ? value : { ...value, data: value.data.map((one) => 1 / one) });
      return chain.pass(node);
    }
    const factor = value.data[0]! ** (isDivision ? -1 : 1);
    if (value.data.length !== 1 || !(factor > 0 && factor <= 1)) {
      node.refuse(
        'values can be multiplied by one number above 0 and up to 1, as dropout does; put others into the weights',
      );
    }
    // At test time, dropout that is not inverted multiplies by the probability of keeping a value.
    if (factor === 1) return chain.pass(node);
    chain.add(node, 'dropout', (name) => dropout({ name, probability: 1 - factor }));
    chain.pass(node);
  };

/** `BatchNormalization`, as it is outside training: a factor and a term for each filter of the layer before. */
export const batchNorm: Handler = (chain, node) => {
  node.checkAttributes('epsilon', 'momentum', 'training_mode');
  node.mustBe('training_mode', 0);
  const [scale, shift, mean, variance] = [1, 2, 3, 4].map((index) =>
    floatsOf(chain.constant(node, index, 'parameter')),
  );
  const { weight, bias } = openLayer(chain, node);
  if (bias.shape.length !== 1)
    node.refuse('follows a locally connected layer; only convolutions and dense layers can take it up');
  const units = weight.shape[0]!;
  const inputs = weight.data.length / units;
  const epsilon = node.float('epsilon', 1e-5);
  for (let unit = 0; unit < units; unit++) {
    const factor = scale![unit]! / Math.sqrt(variance![unit]! + epsilon);
    for (let i = unit * inputs; i < (unit + 1) * inputs; i++) weight.data[i]! *= factor;
    bias.data[unit] = (bias.data[unit]! - mean![unit]!) * factor + shift![unit]!;
  }
  chain.pass(node);
};

function openLayer(chain: Chain, node: Node): Learned {
  return (
    chain.open ??
    node.refuse(
      'does not follow a convolution or a dense layer, whose parameters could take it up; it is not understood there',
    )
  );
}

/** The constant that a node combines with the images. */
function otherOperand(chain: Chain, node: Node, mustBeSecond: boolean): HostTensor {
  const index = node.inputs[0] === chain.value ? 1 : 0;
  if (index === 0 && mustBeSecond) node.refuse('its second operand must be a constant');
  const { shape, data } = chain.constant(node, index, 'other operand');
  return { shape: [...shape], data: floatsOf({ shape, data }) };
}

/** The term for each bias of a layer: one for all, one for each unit, or one for each bias. */
function perUnit(
  node: Node,
  { shape, data }: HostTensor,
  bias: HostTensor,
  output: readonly number[],
): (i: number) => number {
  if (data.length === 1) return () => data[0]!;
  const place = output.length === 4 ? -3 : -1;
  const isPerUnit = data.length === bias.data.length && shape.at(place) === output.at(place);
  if (isPerUnit || shape.join() === bias.shape.join()) return (i) => data[i]!;
  return node.refuse(
    `adds values of the shape [${shape.join(', ')}]; one for each of ${bias.data.length} units is understood`,
  );
}
