import { ConfigError } from '@alex/tensor';
import { alphaOfSum, optionsOf } from '../layer-options.js';
import type { LayerWriter, WriteLayer } from './write-layer.js';

export const writeNorm: LayerWriter = (values) =>
  optionsOf(values.described.layer, 'localResponseNorm').across === 'maps' ? acrossMaps(values) : withinMap(values);

/** `LRN` divides alpha by the size of the window. Groups of maps take the place of images, so that no window crosses them. */
function acrossMaps({ graph, described, input }: WriteLayer): string {
  const { layer, inputShape } = described;
  const { name } = layer;
  const options = optionsOf(layer, 'localResponseNorm');
  const { size, beta, k, groups } = options;
  if (size % 2 === 0) {
    throw new ConfigError(
      `${name}: a window of ${size} maps cannot be written as ONNX, whose windows of even size reach one map further up instead of down; use an odd size`,
    );
  }
  const [, channels = 0, height = 0, width = 0] = inputShape;
  const attributes = {
    size,
    alpha: { float: alphaOfSum(options) * size },
    beta: { float: beta },
    bias: { float: k },
  };
  if (groups === 1) return graph.add('LRN', name, { inputs: [input], attributes, shape: inputShape });
  const reshaped = (from: string, maps: number, what: string) => [
    from,
    graph.wholeNumbers(`${what}.shape`, [-1, maps, height, width]),
  ];
  const [divided, normalized] = [`${name}/groups`, `${name}/lrn`];
  graph.add('Reshape', divided, { inputs: reshaped(input, channels / groups, divided) });
  graph.add('LRN', normalized, { inputs: [divided], attributes });
  return graph.add('Reshape', name, { inputs: reshaped(normalized, channels, name), shape: inputShape });
}

/** There is no operator for it: `x / (k + alpha * sum of squares)^beta`, the sum as an average with counted padding. */
function withinMap({ graph, described, input }: WriteLayer): string {
  const { layer, inputShape: shape } = described;
  const { name } = layer;
  const options = optionsOf(layer, 'localResponseNorm');
  const { size, beta, k } = options;
  const before = Math.floor(size / 2);
  const after = size - 1 - before;
  const squares = graph.add('Mul', `${name}/squares`, { inputs: [input, input], shape });
  const average = graph.add('AveragePool', `${name}/average`, {
    inputs: [squares],
    attributes: {
      kernel_shape: [size, size],
      strides: [1, 1],
      pads: [before, before, after, after],
      count_include_pad: 1,
    },
    shape,
  });
  const factor = graph.scalar(`${name}.alpha`, alphaOfSum(options) * size * size);
  const scaled = graph.add('Mul', `${name}/scaled`, { inputs: [average, factor], shape });
  const sum = graph.add('Add', `${name}/sum`, { inputs: [scaled, graph.scalar(`${name}.k`, k)], shape });
  const power = graph.add('Pow', `${name}/power`, { inputs: [sum, graph.scalar(`${name}.beta`, beta)], shape });
  return graph.add('Div', name, { inputs: [input, power], shape });
}
