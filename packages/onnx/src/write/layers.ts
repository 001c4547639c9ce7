import { ConfigError, type Shape } from '@alex/tensor';
import { elementsPerImage } from '@alex/tensor/kernels';
import { optionsOf } from '../layer-options.js';
import type { GraphWriter } from './graph-writer.js';
import { writeLocal } from './local.js';
import { writeNorm } from './norm.js';
import { writeAveragePool, writeMaxPool } from './pooling.js';
import { padsOf } from './windows.js';
import type { LayerWriter, WriteLayer } from './write-layer.js';

/** An operator that works value by value, without options. */
const elementwise =
  (operator: string): LayerWriter =>
  ({ graph, described: { layer, outputShape }, input }) =>
    graph.add(operator, layer.name, { inputs: [input], shape: outputShape });

const writers: Readonly<Record<string, LayerWriter>> = {
  conv2d({ graph, described: { layer, outputShape }, input, parameters }) {
    const { kernel, stride, padding, groups } = optionsOf(layer, 'conv2d');
    return graph.add('Conv', layer.name, {
      inputs: [input, ...constantsOf(graph, layer.name, parameters)],
      attributes: {
        kernel_shape: kernel,
        strides: stride,
        pads: padsOf(padding),
        group: groups,
      },
      shape: outputShape,
    });
  },
  local2d: writeLocal,
  dense({ graph, described: { layer, inputShape, outputShape }, input, parameters }) {
    const { name } = layer;
    return graph.add('Gemm', name, {
      inputs: [flat(graph, name, input, inputShape), ...constantsOf(graph, name, parameters)],
      attributes: { transB: 1 },
      shape: outputShape,
    });
  },
  relu: elementwise('Relu'),
  tanh: elementwise('Tanh'),
  logistic: elementwise('Sigmoid'),
  absTanh({ graph, described: { layer, outputShape }, input }) {
    const inside = graph.add('Tanh', `${layer.name}/tanh`, { inputs: [input], shape: outputShape });
    return graph.add('Abs', layer.name, { inputs: [inside], shape: outputShape });
  },
  identity: ({ input }) => input,
  localResponseNorm: writeNorm,
  maxPool: writeMaxPool,
  averagePool: writeAveragePool,
  /** Outside training, dropout multiplies by the probability of keeping a value, or does nothing. */
  dropout({ graph, described: { layer, outputShape }, input }) {
    const { probability, inverted } = optionsOf(layer, 'dropout');
    if (inverted || probability === 0) return input;
    const keep = graph.scalar(`${layer.name}.keep`, 1 - probability);
    return graph.add('Mul', layer.name, { inputs: [input, keep], shape: outputShape });
  },
};

/**
 * Writes a layer.
 *
 * @returns the name of its output
 * @throws ConfigError for a kind of layer that has no equal in ONNX
 */
export function writeLayer(values: WriteLayer): string {
  const { layer } = values.described;
  const writer = Object.hasOwn(writers, layer.kind) ? writers[layer.kind] : undefined;
  if (writer) return writer(values);
  throw new ConfigError(
    `${layer.name}: a layer of the kind ${layer.kind} cannot be written as ONNX; these can: ${Object.keys(writers).join(', ')}`,
  );
}

/** A value as `[N, F]`. */
export function flat(graph: GraphWriter, name: string, input: string, shape: Shape): string {
  if (shape.length === 2) return input;
  return graph.add('Flatten', `${name}/flat`, {
    inputs: [input],
    attributes: { axis: 1 },
    shape: [1, elementsPerImage(shape)],
  });
}

function constantsOf(graph: GraphWriter, layer: string, { weight, bias }: WriteLayer['parameters']): string[] {
  return [graph.constant(`${layer}.weight`, weight!), ...(bias ? [graph.constant(`${layer}.bias`, bias)] : [])];
}
