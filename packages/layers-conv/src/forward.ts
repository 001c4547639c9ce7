import type { Recorder, Tensor } from '@alex/tensor';
import {
  type Epilogue,
  fusesIntoProducts,
  type ProductChoice,
  type ProductShape,
  planProduct,
  productKernel,
  recordEpilogue,
  storeAfter,
  stridedColumns,
  stridedRows,
  wholeReduction,
} from '@alex/tensor/kernels';
import { recordConvolution } from './choice.js';
import { windowColumns } from './flat-columns.js';
import { type Geometry, outputShapeOf } from './options.js';
import { recordPackedWeights } from './packed-weights.js';
import { everyLoad } from './wgsl.js';
import { recordWinogradForward } from './winograd/winograd.js';

interface Values {
  readonly input: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  readonly epilogue?: Epilogue | undefined;
}

/** Records the convolution. */
export function recordForward(recorder: Recorder, geometry: Geometry, values: Values): Tensor {
  const { name, batch, groups, groupChannels, groupFilters, kernel, outputHeight, outputWidth } = geometry;
  const output = recorder.activation(`${name}/output`, outputShapeOf(geometry));
  const shape: ProductShape = {
    rows: groupFilters,
    columns: outputHeight * outputWidth * batch,
    batches: groups,
    depth: groupChannels,
    reductions: kernel[0] * kernel[1],
    rowSide: { along: 'result', contiguous: groupFilters },
    columnSide: { along: 'result', contiguous: batch },
    uncut: true,
    halves: [values.input, values.weight].some(({ dataType }) => dataType === 'f16'),
  };
  recordConvolution(recorder, geometry, {
    direction: 'forward',
    shape,
    inputs: [values.input, values.weight],
    output,
    details: [values.bias && ' bias', values.epilogue && ` ${values.epilogue.name}`].filter(Boolean).join(''),
    direct: (recorder, choice) => recordDirect(recorder, geometry, { ...values, output }, shape, choice),
    winograd: (recorder, tile) => recordWinogradForward(recorder, geometry, { ...values, output }, tile),
  });
  return output;
}

/**
 * A product of filters (rows) and positions x images (columns), reduced over kernel positions and, innermost, channels.
 */
function recordDirect(
  recorder: Recorder,
  geometry: Geometry,
  values: Values & { readonly output: Tensor },
  shape: ProductShape,
  choice: ProductChoice,
): void {
  const { name, batch, height, width, groupChannels, groupFilters, kernel, stride, padding, outputWidth } = geometry;
  const { input, weight, bias, output } = values;
  const epilogue = fusesIntoProducts(recorder.gpu) ? values.epilogue : undefined;
  const { columns } = shape;
  const area = kernel[0] * kernel[1];
  const plane = height * width * batch;
  const plan = planProduct(recorder.gpu, shape, choice);
  const fours = plan.resultWidth === 4 ? '4' : '';
  const packed = recordPackedWeights(recorder, geometry, { rowsAre: 'filters', weight, plan });
  const padded = padding.top + padding.left + padding.bottom + padding.right > 0;
  const flat = windowColumns(geometry, plan, input.dataType);
  recorder.dispatch({
    label: `${name}/forward`,
    reads: { input, weights: packed.tensor, ...(bias ? { bias } : {}) },
    writes: { output },
    vectors: [...(plan.rowForm.width === 4 ? ['weights'] : []), ...(fours ? ['input', 'output'] : [])],
    ...productKernel({
      title: `Convolution ${name}: rows are filters, columns are positions x images, steps are channels`,
      plan,
      rows: groupFilters,
      columns,
      batches: shape.batches,
      reduction: wholeReduction(groupChannels * (flat ? area : 1), plan.roundSteps),
      ...(flat && { functions: flat.functions, ...(flat.prepare && { prepare: flat.prepare }) }),
      setup: `let group = batch;
${everyLoad(
  plan,
  (c) => `let image_${c} = at_${c} % ${batch}u;
let top_${c} = i32(at_${c} / ${batch * outputWidth}u * ${stride[0]}u) - ${padding.top};
let left_${c} = i32(at_${c} / ${batch}u % ${outputWidth}u * ${stride[1]}u) - ${padding.left};`,
)}
let weights_begin = ${packed.base};`,
      ...(!flat && {
        outer: {
          count: `${area}u`,
          declare: padded ? everyLoad(plan, (c) => `var inside_${c} = true;`) : '',
          begin: `let kernel_y = i32(outer / ${kernel[1]}u); let kernel_x = i32(outer % ${kernel[1]}u);
${everyLoad(
  plan,
  (c) => `let y_${c} = top_${c} + kernel_y; let x_${c} = left_${c} + kernel_x;
${padded ? `inside_${c} = u32(y_${c}) < ${height}u && u32(x_${c}) < ${width}u;` : ''}
let place_${c} = u32(y_${c} * ${width} + x_${c}) * ${batch}u + image_${c};`,
)}`,
        },
      }),
      rowOperand: stridedRows({
        name: 'weights',
        dataType: weight.dataType,
        base: `weights_begin${flat ? '' : ` + outer * ${groupChannels * plan.blockRows}u`}`,
        rowStride: 1,
        stepStride: plan.blockRows,
        plan,
      }),
      columnOperand:
        flat?.operand ??
        stridedColumns({
          name: 'input',
          dataType: input.dataType,
          base: (c) =>
            `group * ${groupChannels * plane}u + ${padded ? `select(0u, place_${c}, inside_${c})` : `place_${c}`}`,
          ...(padded ? { valid: (c: number) => `inside_${c}` } : {}),
          stepStride: plane,
          plan,
        }),
      initial: (row) => (bias ? `load_bias(group * ${groupFilters}u + ${row})` : ''),
      store: (row, c, value) =>
        storeAfter(
          epilogue,
          value,
          plan.resultWidth,
          (result) =>
            `store${fours}_output(((group * ${groupFilters}u + ${row}) * ${columns}u + column_${c})${fours && ' / 4u'}, ${result});`,
        ),
    }),
  });
  if (values.epilogue && !epilogue) recordEpilogue(recorder, `${name}/forward`, output, values.epilogue);
}
