import type { Recorder, Tensor } from '@alex/tensor';
import {
  fusesIntoProducts,
  isStaged,
  type ProductChoice,
  type ProductShape,
  planProduct,
  productKernel,
  recordSplitKSum,
  splitReduction,
  stridedColumns,
  stridedRows,
  wholeReduction,
} from '@alex/tensor/kernels';
import { recordBiasGradient } from './bias-gradient.js';
import { recordConvolution } from './choice.js';
import { imageColumns } from './flat-columns.js';
import type { Geometry } from './options.js';
import { everyLoad } from './wgsl.js';
import { recordWinogradWeightGradient } from './winograd/winograd.js';

interface Values {
  readonly input: Tensor;
  readonly outputGradient: Tensor;
}

/** The operands and results. */
interface Gradients {
  readonly weightGradient: Tensor;
  /** The bias gradient, if it is computed on the way. */
  readonly biasGradient: Tensor | undefined;
}

/** Records the gradients of the weights and of the biases, if there are any. */
export function recordParameterGradients(
  recorder: Recorder,
  geometry: Geometry,
  { bias: hasBias, ...values }: Values & { readonly bias: boolean },
): { readonly weight: Tensor; readonly bias?: Tensor } {
  const { name, batch, filters, groups, groupChannels, groupFilters, kernel, outputHeight, outputWidth } = geometry;
  const weight = recorder.tensor(`${name}/weightGradient`, [filters, groupChannels, ...kernel]);
  const bias = hasBias ? recorder.tensor(`${name}/biasGradient`, [filters]) : undefined;
  // A GPU is bound by memory: the kernel that reads the output's gradient for the weights also sums it for the biases.
  const biasGradient = fusesIntoProducts(recorder.gpu) ? bias : undefined;
  const shape: ProductShape = {
    rows: groupFilters,
    columns: groupChannels * kernel[0] * kernel[1],
    batches: groups,
    depth: batch,
    reductions: outputHeight * outputWidth,
    rowSide: { along: 'steps', contiguous: batch },
    columnSide: { along: 'steps', contiguous: batch },
    halves: [values.input, values.outputGradient].some(({ dataType }) => dataType === 'f16'),
  };
  const all = { ...values, weightGradient: weight, biasGradient };
  recordConvolution(recorder, geometry, {
    direction: 'weightGradient',
    shape,
    inputs: [values.input, values.outputGradient],
    output: weight,
    ...(biasGradient && { others: [biasGradient], details: ' with biases' }),
    direct: (recorder, choice) => recordDirect(recorder, geometry, all, shape, choice),
    winograd: (recorder, tile) => recordWinogradWeightGradient(recorder, geometry, all, tile),
  });
  if (bias && !biasGradient) recordBiasGradient(recorder, values.outputGradient, bias);
  return { weight, ...(bias && { bias }) };
}

/**
 * A product of filters (rows) with the weights of a filter (columns), reduced over
 * output positions and, innermost, over images. If filters and weights alone give too few invocations, positions are
 * divided into parts that are summed afterwards (split-K). Sums of its rows are the gradient of the biases.
 */
function recordDirect(
  recorder: Recorder,
  geometry: Geometry,
  values: Values & Gradients,
  shape: ProductShape,
  choice: ProductChoice,
): void {
  const { name, batch, height, width, filters, groups, groupChannels, groupFilters, kernel, stride, padding } =
    geometry;
  const { outputHeight, outputWidth } = geometry;
  const { input, outputGradient, weightGradient, biasGradient } = values;
  const { columns } = shape;
  const area = kernel[0] * kernel[1];
  const positions = outputHeight * outputWidth;
  const plan = planProduct(recorder.gpu, shape, choice);
  const fours = plan.resultWidth === 4 ? '4' : '';
  const positionsOfPiece = Math.ceil(positions / plan.splitK);
  const cut = splitReduction(positions * batch, plan.splitK, plan.roundSteps, 'slice');
  const flat = imageColumns(geometry, plan, input.dataType, `slice * ${cut.stepsOfPiece}u`);
  const splitK = flat ? cut.splitK : Math.ceil(positions / positionsOfPiece);
  const padded = padding.top + padding.left + padding.bottom + padding.right > 0;
  const target =
    splitK === 1 ? weightGradient : recorder.tensor(`${name}/weightGradient/splitK`, [splitK, weightGradient.elements]);
  const inKernel = isStaged(plan.share) ? biasGradient : undefined;
  const biasTarget =
    inKernel && (splitK === 1 ? inKernel : recorder.tensor(`${inKernel.label}/splitK`, [splitK, filters]));
  recorder.dispatch({
    label: `${name}/weightGradient`,
    reads: { input, outputGradient },
    writes: { target, ...(biasTarget && { biasTarget }) },
    vectors: [...(plan.rowForm.width === 4 ? ['input', 'outputGradient'] : []), ...(fours ? ['target'] : [])],
    ...productKernel({
      title: `Weight gradient of ${name}: rows are filters, columns are weights of a filter, steps are images`,
      plan,
      rows: groupFilters,
      columns,
      batches: groups * splitK,
      reduction: flat ? cut.reduction : wholeReduction(batch, plan.roundSteps),
      ...(flat && { functions: flat.functions }),
      setup: `let group = batch % ${groups}u;
let slice = batch / ${groups}u;
${everyLoad(
  plan,
  (c) => `let kernel_y_${c} = i32(at_${c} / ${kernel[1]}u % ${kernel[0]}u) - ${padding.top};
let kernel_x_${c} = i32(at_${c} % ${kernel[1]}u) - ${padding.left};
let map_${c} = (group * ${groupChannels}u + at_${c} / ${area}u) * ${height * width * batch}u;`,
)}`,
      ...(!flat && {
        outer: {
          count: `(min(${positions}u, (slice + 1u) * ${positionsOfPiece}u) - slice * ${positionsOfPiece}u)`,
          declare: padded ? everyLoad(plan, (c) => `var inside_${c} = true;`) : '',
          begin: `let position = slice * ${positionsOfPiece}u + outer;
let window_y = i32(position / ${outputWidth}u * ${stride[0]}u);
let window_x = i32(position % ${outputWidth}u * ${stride[1]}u);
${everyLoad(
  plan,
  (c) => `let y_${c} = window_y + kernel_y_${c}; let x_${c} = window_x + kernel_x_${c};
${padded ? `inside_${c} = u32(y_${c}) < ${height}u && u32(x_${c}) < ${width}u;` : ''}
let place_${c} = map_${c} + u32(y_${c} * ${width} + x_${c}) * ${batch}u;`,
)}`,
        },
      }),
      rowOperand: stridedRows({
        name: 'outputGradient',
        dataType: outputGradient.dataType,
        base: `((group * ${groupFilters}u + first_row) * ${positions}u${flat ? '' : ' + position'}) * ${batch}u${flat ? ` + slice * ${cut.stepsOfPiece}u` : ''}`,
        rowStride: positions * batch,
        stepStride: 1,
        plan,
        rows: groupFilters,
      }),
      columnOperand:
        flat?.operand ??
        stridedColumns({
          name: 'input',
          dataType: input.dataType,
          base: (c) => (padded ? `select(0u, place_${c}, inside_${c})` : `place_${c}`),
          ...(padded ? { valid: (c: number) => `inside_${c}` } : {}),
          stepStride: 1,
          plan,
        }),
      ...(biasTarget && {
        rowSums: (row, sum) => `store_biasTarget(slice * ${filters}u + group * ${groupFilters}u + ${row}, ${sum});`,
      }),
      store: (row, c, value) =>
        `store${fours}_target((slice * ${weightGradient.elements}u + (group * ${groupFilters}u + ${row}) * ${columns}u + column_${c})${fours && ' / 4u'}, ${value});`,
    }),
  });
  if (splitK > 1) {
    const sums = { splitK, elements: weightGradient.elements, label: `${name}/weightGradient/sum` };
    recordSplitKSum(recorder, { ...sums, input: target, output: weightGradient });
    if (inKernel) {
      const { label, elements } = inKernel;
      recordSplitKSum(recorder, { splitK, elements, label, input: biasTarget!, output: inKernel });
    }
  }
  if (biasGradient && !inKernel) recordBiasGradient(recorder, outputGradient, biasGradient);
}
