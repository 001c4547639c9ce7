import type { HostTensor } from '@alex/tensor';
import { optionsOf } from '../layer-options.js';
import { padsOf } from './windows.js';
import type { LayerWriter } from './write-layer.js';

/**
 * A locally connected layer has no operator of its own. A convolution with filters of a single 1 copies every window, and one
 * product of matrices for each position does the rest: `[positions, N, window] x [positions, window, filters]`.
 */
export const writeLocal: LayerWriter = ({ graph, described, input, parameters }) => {
  const { layer, inputShape, outputShape } = described;
  const { name } = layer;
  const { kernel, stride, padding } = optionsOf(layer, 'local2d');
  const [, channels = 0] = inputShape;
  const [, filters = 0, height = 0, width = 0] = outputShape;
  const area = kernel[0] * kernel[1];
  const [positions, window] = [height * width, channels * area];
  const copies = graph.add('Conv', `${name}/windows`, {
    inputs: [input, graph.constant(`${name}.windows`, windowCopies(channels, kernel))],
    attributes: { kernel_shape: kernel, strides: stride, pads: padsOf(padding), group: channels },
    shape: [1, window, height, width],
  });
  const rows = graph.add('Reshape', `${name}/rows`, {
    inputs: [copies, graph.wholeNumbers(`${name}.rows`, [-1, window, positions])],
    shape: [1, window, positions],
  });
  const turned = graph.add('Transpose', `${name}/positions`, { inputs: [rows], attributes: { perm: [2, 0, 1] } });
  const products = graph.add('MatMul', `${name}/products`, {
    inputs: [turned, graph.constant(`${name}.weight`, columnsOf(parameters['weight']!, positions, filters, window))],
  });
  const back = graph.add('Transpose', `${name}/back`, {
    inputs: [products],
    attributes: { perm: [1, 2, 0] },
    shape: [1, filters, positions],
  });
  const maps = graph.add('Reshape', parameters['bias'] ? `${name}/maps` : name, {
    inputs: [back, graph.wholeNumbers(`${name}.maps`, [-1, filters, height, width])],
    shape: outputShape,
  });
  if (!parameters['bias']) return maps;
  return graph.add('Add', name, {
    inputs: [maps, graph.constant(`${name}.bias`, parameters['bias'])],
    shape: outputShape,
  });
};

/** For each channel and each place of the window, a filter that copies what is there. */
function windowCopies(channels: number, [height, width]: readonly [number, number]): HostTensor {
  const area = height * width;
  const data = new Float32Array(channels * area * area);
  for (let filter = 0; filter < channels * area; filter++) data[filter * area + (filter % area)] = 1;
  return { shape: [channels * area, 1, height, width], data };
}

/** `[positions, filters, window]` as `[positions, window, filters]`. */
function columnsOf({ data }: HostTensor, positions: number, filters: number, window: number): HostTensor {
  const columns = new Float32Array(data.length);
  for (let position = 0; position < positions; position++) {
    for (let filter = 0; filter < filters; filter++) {
      for (let place = 0; place < window; place++) {
        columns[(position * window + place) * filters + filter] = data[(position * filters + filter) * window + place]!;
      }
    }
  }
  return { shape: [positions, window, filters], data: columns };
}
