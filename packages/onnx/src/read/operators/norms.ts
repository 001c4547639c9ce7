import { localResponseNorm } from '@alex/lrn';
import { type Chain, type Handler, unpadded } from '../chain.js';
import type { Node } from '../node.js';

export const lrn: Handler = (chain, node) => {
  node.checkAttributes('size', 'alpha', 'beta', 'bias');
  chain.own.length === 4 || node.refuse(`it needs maps [N, C, H, W], and gets [${chain.shape.join(', ')}]`);
  const size = node.int('size', 0);
  if (size % 2 === 0) {
    node.refuse(
      `its windows of ${size} maps reach one map further up than down, in this program one further down; only odd sizes are the same`,
    );
  }
  const { groups, shape } = chain;
  chain.add(node, 'norm', (name) =>
    localResponseNorm({
      name,
      size,
      alpha: shortest(node.float('alpha', 1e-4)),
      beta: shortest(node.float('beta', 0.75)),
      k: shortest(node.float('bias', 1)),
      alphaPerElement: true,
      groups,
    }),
  );
  chain.pass(node, shape);
};

/**
 * Recognizes normalization within maps, for which there is no operator, as `writeOnnx` writes it: `x / (k + alpha * average of
 * squares)^beta`.
 *
 * @returns whether that is what reads the value; the chain then has its layer
 */
export function normWithinMap(chain: Chain, readers: readonly Node[]): boolean {
  const [squares, division] = ['Mul', 'Div'].map((operator) => readers.find((node) => node.operator === operator));
  if (readers.length !== 2 || !squares || !division || squares.inputs.some((input) => input !== chain.value))
    return false;
  const nodes = [squares];
  for (const operator of ['AveragePool', 'Mul', 'Add', 'Pow', 'Div']) {
    const next = chain.graph.readersOf(nodes.at(-1)!.output);
    if (next.length !== 1 || next[0]!.operator !== operator) return false;
    nodes.push(next[0]!);
  }
  const [, average, scaled, sum, power, last] = nodes as [Node, Node, Node, Node, Node, Node];
  const [factor, k, beta] = [scaled, sum, power].map((node) => chain.graph.constant(node.inputs[1])?.data[0]);
  const [size = 0, width] = average.ints('kernel_shape') ?? [];
  const before = Math.floor(size / 2);
  const pads = [before, before, size - 1 - before, size - 1 - before].join();
  const strides = average.ints('strides') ?? [1, 1];
  const isWindow =
    size === width &&
    average.ints('pads')?.join() === pads &&
    average.int('count_include_pad', 0) === 1 &&
    strides.every((stride) => stride === 1);
  if (!isWindow || last !== division || division.inputs[0] !== chain.value || chain.padding !== unpadded) return false;
  if (factor === undefined || k === undefined || beta === undefined) return false;
  chain.add(division, 'norm', (name) =>
    localResponseNorm({
      name: `${name}-within-map`,
      size,
      alpha: shortest(factor),
      beta: shortest(beta),
      k: shortest(k),
      alphaPerElement: true,
      across: 'space',
    }),
  );
  return true;
}

/** The number with the fewest digits that is the same in float32: 0.0001 instead of 0.00009999999747. */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}
