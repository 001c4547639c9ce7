import { type Layer, type Recorder, recordPerElement, recordRowSums, type Tensor } from '@alex/tensor';
import {
  columnSettings,
  type Geometry,
  geometryOf,
  multiplyAddsOf,
  outputShapeOf,
  parametersOf,
  type WindowOptions,
  type WindowSettings,
  windowSettings,
} from './options.js';

export type Local2dOptions = WindowOptions;

/** Values of one operand that an invocation meets with one value of the other: saves loads, which is what takes time. */
const block = 8;

/**
 * Locally connected layer: a convolution whose every position has filters and biases of its own, as cuda-convnet's CIFAR-10
 * networks use it. Pictures `[N, C, H, W]` to `[N, filters, height, width]`, sizes as of `conv2d`.
 *
 * Parameters: `weight` `[height * width, filters, C, kernel height, kernel width]` (the weights of `conv2d` for each
 * position of the output in turn), which decays, and `bias` `[filters, height, width]`, which does not.
 *
 * @throws ConfigError where an option is not allowed, as `conv2d` does.
 * @throws ShapeError (from the layer's methods) where the kernel is larger than the padded input.
 */
export function local2d(options: Local2dOptions): Layer {
  return locallyConnected(windowSettings('local2d', options));
}

function locallyConnected(settings: WindowSettings): Layer {
  const { name, filters, kernel } = settings;
  return {
    kind: 'local2d',
    name,
    outputShape: (input) => outputShapeOf(geometryOf(settings, input)),
    parameters(input) {
      const { channels, outputHeight, outputWidth } = geometryOf(settings, input);
      const weight = [outputHeight * outputWidth, filters, channels, ...kernel];
      return parametersOf(settings, weight, [filters, outputHeight, outputWidth]);
    },
    multiplyAdds: (input) => multiplyAddsOf(geometryOf(settings, input)),
    column: (column) => locallyConnected(columnSettings(settings, column)),
    forward(recorder, { input, parameters }) {
      const geometry = geometryOf(settings, input.shape);
      return { output: recordForward(recorder, geometry, input, parameters) };
    },
    backward(recorder, { input, parameters, outputGradient, needsInputGradient }) {
      const geometry = geometryOf(settings, input.shape);
      const weight = recordWeightGradient(recorder, geometry, input, outputGradient);
      const parameterGradients: Record<string, Tensor> = { weight };
      if (settings.bias) {
        const { outputHeight, outputWidth, batch } = geometry;
        const bias = recorder.tensor(`${name}/biasGradient`, [filters, outputHeight, outputWidth]);
        const rows = filters * outputHeight * outputWidth;
        recordRowSums(recorder, {
          label: `${name}/biasGradient`,
          input: outputGradient,
          output: bias,
          rows,
          columns: batch,
        });
        parameterGradients['bias'] = bias;
      }
      if (!needsInputGradient) return { parameterGradients };
      const inputGradient = recordInputGradient(recorder, geometry, outputGradient, parameters['weight']!);
      return { inputGradient, parameterGradients };
    },
  };
}

/** One invocation: one position and image, `block` filters. Lanes run over images; weights are the same for all of them. */
function recordForward(
  recorder: Recorder,
  geometry: Geometry,
  input: Tensor,
  parameters: Readonly<Record<string, Tensor>>,
): Tensor {
  const { name, batch, filters, outputHeight, outputWidth, bias } = geometry;
  const positions = outputHeight * outputWidth;
  const output = recorder.tensor(`${name}/output`, outputShapeOf(geometry));
  recordPerElement(recorder, {
    label: `${name}/forward`,
    elements: Math.ceil(filters / block) * positions * batch,
    reads: { input, weight: parameters['weight']!, ...(bias ? { bias: parameters['bias']! } : {}) },
    writes: { output },
    body: `
let image = i % ${batch}u;
let position = i / ${batch}u % ${positions}u;
let first = i / ${batch * positions}u * ${block}u;
${each(
  (k) => `let filter_${k} = min(first + ${k}u, ${filters - 1}u);
var sum_${k} = ${bias ? `load_bias(filter_${k} * ${positions}u + position)` : '0.0'};`,
)}
${eachPlace(
  geometry,
  `let value = load_input(((c * ${geometry.height}u + y) * ${geometry.width}u + x) * ${batch}u + image);
${each((k) => `sum_${k} = fma(value, load_weight(${weightPlace(geometry, 'position', `filter_${k}`, 'c')}), sum_${k});`)}`,
)}
${each((k) => `if (first + ${k}u < ${filters}u) { store_output((filter_${k} * ${positions}u + position) * ${batch}u + image, sum_${k}); }`)}`,
  });
  return output;
}

/** One invocation: one position of the input and image, `block` channels; it gathers from every window that holds it. */
function recordInputGradient(recorder: Recorder, geometry: Geometry, outputGradient: Tensor, weight: Tensor): Tensor {
  const { name, batch, channels, height, width, filters, kernel, stride, padding, outputHeight, outputWidth } =
    geometry;
  const inputGradient = recorder.tensor(`${name}/inputGradient`, [batch, channels, height, width]);
  recordPerElement(recorder, {
    label: `${name}/inputGradient`,
    elements: Math.ceil(channels / block) * height * width * batch,
    reads: { outputGradient, weight },
    writes: { inputGradient },
    body: `
let image = i % ${batch}u;
let x = i / ${batch}u % ${width}u;
let y = i / ${batch * width}u % ${height}u;
let first = i / ${batch * width * height}u * ${block}u;
${each((k) => `let channel_${k} = min(first + ${k}u, ${channels - 1}u); var sum_${k} = 0.0;`)}
for (var ky = 0u; ky < ${kernel[0]}u; ky++) {
let top = i32(y + ${padding.top}u) - i32(ky);
if (top < 0 || top % ${stride[0]} != 0 || top / ${stride[0]} >= ${outputHeight}) { continue; }
for (var kx = 0u; kx < ${kernel[1]}u; kx++) {
let left = i32(x + ${padding.left}u) - i32(kx);
if (left < 0 || left % ${stride[1]} != 0 || left / ${stride[1]} >= ${outputWidth}) { continue; }
let position = u32(top / ${stride[0]} * ${outputWidth} + left / ${stride[1]});
for (var filter_index = 0u; filter_index < ${filters}u; filter_index++) {
let gradient = load_outputGradient((filter_index * ${outputHeight * outputWidth}u + position) * ${batch}u + image);
${each((k) => `sum_${k} = fma(gradient, load_weight(${weightPlace(geometry, 'position', 'filter_index', `channel_${k}`)}), sum_${k});`)}
}
}
}
${each((k) => `if (first + ${k}u < ${channels}u) { store_inputGradient(((channel_${k} * ${height}u + y) * ${width}u + x) * ${batch}u + image, sum_${k}); }`)}`,
  });
  return inputGradient;
}

/** One invocation: one place of the kernel in one channel at one position, `block` filters, summed over the images. */
function recordWeightGradient(recorder: Recorder, geometry: Geometry, input: Tensor, outputGradient: Tensor): Tensor {
  const { name, batch, channels, height, width, filters, kernel, stride, padding, outputHeight, outputWidth } =
    geometry;
  const positions = outputHeight * outputWidth;
  const area = kernel[0] * kernel[1];
  const weightGradient = recorder.tensor(`${name}/weightGradient`, [positions, filters, channels, ...kernel]);
  recordPerElement(recorder, {
    label: `${name}/weightGradient`,
    elements: positions * Math.ceil(filters / block) * channels * area,
    reads: { input, outputGradient },
    writes: { weightGradient },
    body: `
let kx = i % ${kernel[1]}u;
let ky = i / ${kernel[1]}u % ${kernel[0]}u;
let c = i / ${area}u % ${channels}u;
let first = i / ${area * channels}u % ${Math.ceil(filters / block)}u * ${block}u;
let position = i / ${area * channels * Math.ceil(filters / block)}u;
let y = i32(position / ${outputWidth}u * ${stride[0]}u + ky) - ${padding.top};
let x = i32(position % ${outputWidth}u * ${stride[1]}u + kx) - ${padding.left};
let inside = y >= 0 && y < ${height} && x >= 0 && x < ${width};
${each((k) => `let filter_${k} = min(first + ${k}u, ${filters - 1}u); var sum_${k} = 0.0;`)}
if (inside) {
for (var image = 0u; image < ${batch}u; image++) {
let value = load_input(((c * ${height}u + u32(y)) * ${width}u + u32(x)) * ${batch}u + image);
${each((k) => `sum_${k} = fma(value, load_outputGradient((filter_${k} * ${positions}u + position) * ${batch}u + image), sum_${k});`)}
}
}
${each((k) => `if (first + ${k}u < ${filters}u) { store_weightGradient(${weightPlace(geometry, 'position', `filter_${k}`, 'c')}, sum_${k}); }`)}`,
  });
  return weightGradient;
}

function each(statements: (index: number) => string): string {
  return Array.from({ length: block }, (_, index) => statements(index)).join('\n');
}

/** A loop over the channels and places `ky`, `kx` of the window at `position`; `y` and `x` lie inside the input. */
function eachPlace(geometry: Geometry, statements: string): string {
  const { channels, height, width, kernel, stride, padding, outputWidth } = geometry;
  return `for (var ky = 0u; ky < ${kernel[0]}u; ky++) {
let below = position / ${outputWidth}u * ${stride[0]}u + ky;
if (below < ${padding.top}u || below >= ${padding.top + height}u) { continue; }
let y = below - ${padding.top}u;
for (var kx = 0u; kx < ${kernel[1]}u; kx++) {
let right = position % ${outputWidth}u * ${stride[1]}u + kx;
if (right < ${padding.left}u || right >= ${padding.left + width}u) { continue; }
let x = right - ${padding.left}u;
for (var c = 0u; c < ${channels}u; c++) {
${statements}
}
}
}`;
}

function weightPlace(
  { filters, channels, kernel }: Geometry,
  position: string,
  filter: string,
  channel: string,
): string {
  const [height, width] = kernel;
  return `(((${position} * ${filters}u + ${filter}) * ${channels}u + ${channel}) * ${height}u + ky) * ${width}u + kx`;
}
