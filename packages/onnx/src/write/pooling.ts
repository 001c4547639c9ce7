import { type OptionsByKind, optionsOf } from '../layer-options.js';
import { padsOf, writtenWindows } from './windows.js';
import type { LayerWriter, WriteLayer } from './write-layer.js';

export const writeMaxPool: LayerWriter = ({ graph, described, input }) => {
  const { layer, inputShape, outputShape } = described;
  const options = optionsOf(layer, 'maxPool');
  const { padding, ceil } = writtenWindows(options, inputShape);
  return graph.add('MaxPool', layer.name, {
    inputs: [input],
    attributes: {
      kernel_shape: options.size,
      strides: options.stride,
      pads: padsOf(padding),
      ceil_mode: Number(ceil),
    },
    shape: outputShape,
  });
};

export const writeAveragePool: LayerWriter = (values) => {
  const { graph, described } = values;
  const { layer, inputShape, outputShape } = described;
  const options = optionsOf(layer, 'averagePool');
  const { ceil, reaches } = writtenWindows(options, inputShape);
  // Padding that counts and what lies beyond it, which does not, can only be told apart if the padding is done before.
  const { input, shape, padding } =
    options.countPadding && (ceil || reaches)
      ? padded(values, options)
      : { input: values.input, shape: inputShape, padding: options.padding };
  const windows = writtenWindows({ ...options, padding }, shape);
  return graph.add('AveragePool', layer.name, {
    inputs: [input],
    attributes: {
      kernel_shape: options.size,
      strides: options.stride,
      pads: padsOf(windows.padding),
      ceil_mode: Number(windows.ceil),
      count_include_pad: Number(options.countPadding && input === values.input),
    },
    shape: outputShape,
  });
};

/** The input with its padding of zeros around it. */
function padded({ graph, described, input }: WriteLayer, { padding }: OptionsByKind['averagePool']) {
  const { top, left, bottom, right } = padding;
  const { name } = described.layer;
  const [, channels = 0, height = 0, width = 0] = described.inputShape;
  const shape = [1, channels, height + top + bottom, width + left + right];
  const pads = graph.wholeNumbers(`${name}.pads`, [0, 0, top, left, 0, 0, bottom, right]);
  return {
    input: graph.add('Pad', `${name}/padded`, { inputs: [input, pads], shape }),
    shape,
    padding: { top: 0, left: 0, bottom: 0, right: 0 },
  };
}
