import type { Layer, Recorder, Tensor } from '@alex/tensor';
import {
  type ProductShape,
  planProduct,
  productChoices,
  productKernel,
  stridedColumns,
  stridedRows,
  wholeReduction,
} from '@alex/tensor/kernels';
import { recordBiasGradient } from './bias-gradient.js';
import {
  columnSettings,
  type Geometry,
  geometryOf,
  layerOptions,
  multiplyAddsOf,
  outputShapeOf,
  parametersOf,
  type WindowOptions,
  type WindowSettings,
  windowSettings,
} from './options.js';
import { everyLoad } from './wgsl.js';

export type Local2dOptions = WindowOptions;

/**
 * A locally connected layer: a convolution whose filters are not shared, so that every output position has its own
 * (cuda-convnet's local layers, with unshared biases). Input `[N, C, H, W]`, output `[N, filters, height, width]`, with
 * the sizes of `conv2d`.
 *
 * Parameters: `weight` `[height * width, filters, C, kernel height, kernel width]`, with output positions in row-major
 * order and with weight decay, and `bias` `[filters, height, width]`, without. In a network with columns, each column
 * has its share of the filters.
 *
 * @throws ConfigError for an option that is not allowed: filters, kernel or stride that are not whole numbers of at
 * least 1, negative padding.
 * @throws ShapeError (from the layer's methods) if the kernel is larger than the padded input.
 */
export function local2d(options: Local2dOptions): Layer {
  return locallyConnected(windowSettings('local2d', options));
}

function locallyConnected(settings: WindowSettings): Layer {
  const { name, filters, kernel, stride } = settings;
  const { groups, ...options } = layerOptions(settings);
  return {
    kind: 'local2d',
    name,
    options,
    window: { size: kernel, stride },
    outputShape: (input) => outputShapeOf(geometryOf(settings, input)),
    parameters(input) {
      const { channels, outputHeight, outputWidth } = geometryOf(settings, input);
      return parametersOf(
        settings,
        [outputHeight * outputWidth, filters, channels, ...kernel],
        [filters, outputHeight, outputWidth],
      );
    },
    multiplyAdds: (input) => multiplyAddsOf(geometryOf(settings, input)),
    column: (column) => locallyConnected(columnSettings(settings, column)),
    forward(recorder, { input, parameters }) {
      const geometry = geometryOf(settings, input.shape);
      const { weight, bias } = parameters;
      return { output: recordForward(recorder, geometry, { input, weight: weight!, bias }) };
    },
    backward(recorder, { input, parameters, outputGradient, needsInputGradient, needsParameterGradients = true }) {
      const geometry = geometryOf(settings, input.shape);
      const { outputHeight, outputWidth } = geometry;
      const weight = parameters['weight']!;
      const parameterGradients = () => {
        const gradients = { weight: recordWeightGradient(recorder, geometry, { input, outputGradient }) };
        if (!settings.bias) return gradients;
        const bias = recorder.tensor(`${settings.name}/biasGradient`, [filters, outputHeight, outputWidth]);
        recordBiasGradient(recorder, outputGradient, bias);
        return { ...gradients, bias };
      };
      return {
        ...(needsParameterGradients && { parameterGradients: parameterGradients() }),
        ...(needsInputGradient && {
          inputGradient: recordInputGradient(recorder, geometry, { outputGradient, weight }),
        }),
      };
    },
  };
}

/** The default way to compute a product. */
function usualPlan(recorder: Recorder, shape: ProductShape) {
  return planProduct(recorder.gpu, shape, productChoices(recorder.gpu, shape).candidates[0]!);
}

/** For each output position, a product of its filters (rows) and images (columns), reduced over its window. */
function recordForward(
  recorder: Recorder,
  geometry: Geometry,
  values: { readonly input: Tensor; readonly weight: Tensor; readonly bias: Tensor | undefined },
): Tensor {
  const { name, batch, channels, height, width, filters, kernel, stride, padding } = geometry;
  const { outputHeight, outputWidth } = geometry;
  const { input, weight, bias } = values;
  const area = kernel[0] * kernel[1];
  const positions = outputHeight * outputWidth;
  const plan = usualPlan(recorder, {
    rows: filters,
    columns: batch,
    batches: positions,
    depth: channels,
    reductions: area,
    // The weights of one filter are adjacent in memory, and a product needs one of them at a time.
    rowSide: { along: 'result', contiguous: 1 },
    columnSide: { along: 'result', contiguous: batch },
    uncut: true,
  });
  const fours = plan.resultWidth === 4 ? '4' : '';
  const output = recorder.activation(`${name}/output`, outputShapeOf(geometry));
  recorder.dispatch({
    label: `${name}/forward`,
    reads: { input, weight, ...(bias ? { bias } : {}) },
    writes: { output },
    vectors: fours ? ['input', 'output'] : [],
    ...productKernel({
      title: `Locally connected ${name}: a batch is a position, rows are filters, columns are images, steps are channels`,
      plan,
      rows: filters,
      columns: batch,
      batches: positions,
      reduction: wholeReduction(channels, plan.roundSteps),
      setup: `let top = i32(batch / ${outputWidth}u * ${stride[0]}u) - ${padding.top};
let left = i32(batch % ${outputWidth}u * ${stride[1]}u) - ${padding.left};`,
      outer: {
        count: `${area}u`,
        declare: 'var inside = true;',
        begin: `let y = top + i32(outer / ${kernel[1]}u);
let x = left + i32(outer % ${kernel[1]}u);
inside = u32(y) < ${height}u && u32(x) < ${width}u;`,
      },
      rowOperand: stridedRows({
        name: 'weight',
        base: `(batch * ${filters}u + first_row) * ${channels * area}u + outer`,
        rowStride: channels * area,
        stepStride: area,
        plan,
        rows: filters,
      }),
      columnOperand: stridedColumns({
        name: 'input',
        base: (c) => `select(0u, u32(y * ${width} + x), inside) * ${batch}u + at_${c}`,
        valid: () => 'inside',
        stepStride: height * width * batch,
        plan,
      }),
      initial: (row) => (bias ? `load_bias(${row} * ${positions}u + batch)` : ''),
      store: (row, c, value) =>
        `store${fours}_output(((${row} * ${positions}u + batch) * ${batch}u + column_${c})${fours && ' / 4u'}, ${value});`,
    }),
  });
  return output;
}

/**
 * For each input position, a product of channels (rows) and images (columns), reduced over the windows that contain it.
 */
function recordInputGradient(
  recorder: Recorder,
  geometry: Geometry,
  values: { readonly outputGradient: Tensor; readonly weight: Tensor },
): Tensor {
  const { name, batch, channels, height, width, filters, kernel, stride, padding, outputHeight, outputWidth } =
    geometry;
  const { outputGradient, weight } = values;
  const area = kernel[0] * kernel[1];
  const positions = outputHeight * outputWidth;
  const plan = usualPlan(recorder, {
    rows: channels,
    columns: batch,
    batches: height * width,
    depth: filters,
    reductions: area,
    // The weights of one filter are adjacent in memory, and a product needs one of them at a time.
    rowSide: { along: 'result', contiguous: 1 },
    columnSide: { along: 'result', contiguous: batch },
    uncut: true,
  });
  const fours = plan.resultWidth === 4 ? '4' : '';
  const inputGradient = recorder.activation(`${name}/inputGradient`, [batch, channels, height, width]);
  recorder.dispatch({
    label: `${name}/inputGradient`,
    reads: { outputGradient, weight },
    writes: { inputGradient },
    vectors: fours ? ['outputGradient', 'inputGradient'] : [],
    ...productKernel({
      title: `Input gradient of ${name}: a batch is a position, rows are channels, columns are images, steps are filters`,
      plan,
      rows: channels,
      columns: batch,
      batches: height * width,
      reduction: wholeReduction(filters, plan.roundSteps),
      setup: `let bottom = i32(batch / ${width}u) + ${padding.top};
let right = i32(batch % ${width}u) + ${padding.left};`,
      outer: {
        count: `${area}u`,
        declare: 'var inside = true;',
        begin: `let down = bottom - i32(outer / ${kernel[1]}u);
let across = right - i32(outer % ${kernel[1]}u);
let output_y = down / ${stride[0]};
let output_x = across / ${stride[1]};
inside = down >= 0 && across >= 0 && down % ${stride[0]} == 0 && across % ${stride[1]} == 0 && output_y < ${outputHeight} && output_x < ${outputWidth};
let position = select(0u, u32(output_y * ${outputWidth} + output_x), inside);`,
      },
      rowOperand: stridedRows({
        name: 'weight',
        base: `(position * ${filters * channels}u + first_row) * ${area}u + outer`,
        rowStride: area,
        stepStride: channels * area,
        plan,
        rows: channels,
      }),
      columnOperand: stridedColumns({
        name: 'outputGradient',
        base: (c) => `position * ${batch}u + at_${c}`,
        valid: () => 'inside',
        stepStride: positions * batch,
        plan,
      }),
      store: (row, c, value) =>
        `store${fours}_inputGradient(((${row} * ${height * width}u + batch) * ${batch}u + column_${c})${fours && ' / 4u'}, ${value});`,
    }),
  });
  return inputGradient;
}

/** For each output position, a product of filters (rows) and a filter's weights (columns), reduced over images. */
function recordWeightGradient(
  recorder: Recorder,
  geometry: Geometry,
  values: { readonly input: Tensor; readonly outputGradient: Tensor },
): Tensor {
  const { name, batch, channels, height, width, filters, kernel, stride, padding, outputHeight, outputWidth } =
    geometry;
  const { input, outputGradient } = values;
  const area = kernel[0] * kernel[1];
  const columns = channels * area;
  const positions = outputHeight * outputWidth;
  const plan = usualPlan(recorder, {
    rows: filters,
    columns,
    batches: positions,
    depth: batch,
    rowSide: { along: 'steps', contiguous: batch },
    columnSide: { along: 'steps', contiguous: batch },
    uncut: true,
  });
  const fours = plan.resultWidth === 4 ? '4' : '';
  const weightGradient = recorder.tensor(`${name}/weightGradient`, [positions, filters, channels, ...kernel]);
  recorder.dispatch({
    label: `${name}/weightGradient`,
    reads: { input, outputGradient },
    writes: { weightGradient },
    vectors: [...(plan.rowForm.width === 4 ? ['input', 'outputGradient'] : []), ...(fours ? ['weightGradient'] : [])],
    ...productKernel({
      title: `Weight gradient of ${name}: a batch is a position, rows are filters, columns are weights, steps are images`,
      plan,
      rows: filters,
      columns,
      batches: positions,
      reduction: wholeReduction(batch, plan.roundSteps),
      setup: everyLoad(
        plan,
        (
          c,
        ) => `let y_${c} = i32(batch / ${outputWidth}u * ${stride[0]}u + at_${c} / ${kernel[1]}u % ${kernel[0]}u) - ${padding.top};
let x_${c} = i32(batch % ${outputWidth}u * ${stride[1]}u + at_${c} % ${kernel[1]}u) - ${padding.left};
let inside_${c} = u32(y_${c}) < ${height}u && u32(x_${c}) < ${width}u;
let place_${c} = ((at_${c} / ${area}u * ${height}u + u32(y_${c})) * ${width}u + u32(x_${c})) * ${batch}u;`,
      ),
      rowOperand: stridedRows({
        name: 'outputGradient',
        base: `(first_row * ${positions}u + batch) * ${batch}u`,
        rowStride: positions * batch,
        stepStride: 1,
        plan,
        rows: filters,
      }),
      columnOperand: stridedColumns({
        name: 'input',
        base: (c) => `select(0u, place_${c}, inside_${c})`,
        valid: (c) => `inside_${c}`,
        stepStride: 1,
        plan,
      }),
      store: (row, c, value) =>
        `store${fours}_weightGradient(((batch * ${filters}u + ${row}) * ${columns}u + column_${c})${fours && ' / 4u'}, ${value});`,
    }),
  });
  return weightGradient;
}
