import type { Recorder, Tensor } from '@alex/tensor';
import {
  fusesIntoProducts,
  type LayerBelow,
  type ProductChoice,
  type ProductShape,
  planProduct,
  productKernel,
  recordGradientEpilogue,
  storeGradientAfter,
  stridedColumns,
  stridedRows,
  wholeReduction,
} from '@alex/tensor/kernels';
import { recordConvolution } from './choice.js';
import type { Geometry } from './options.js';
import { recordPackedWeights } from './packed-weights.js';
import { everyLoad } from './wgsl.js';
import { recordWinogradInputGradient } from './winograd/winograd.js';

interface Values {
  readonly outputGradient: Tensor;
  readonly weight: Tensor;
  /** The layer below, whose backward pass is included. */
  readonly below?: LayerBelow;
}

/** Records the gradient of the input. */
export function recordInputGradient(recorder: Recorder, geometry: Geometry, values: Values): Tensor {
  const { name, batch, channels, height, width, groups, groupChannels, groupFilters, kernel, stride } = geometry;
  const inputGradient = recorder.activation(`${name}/inputGradient`, [batch, channels, height, width]);
  const shape: ProductShape = {
    rows: groupChannels,
    columns: Math.ceil(height / stride[0]) * Math.ceil(width / stride[1]) * batch,
    batches: groups * stride[0] * stride[1],
    depth: groupFilters,
    reductions: Math.ceil(kernel[0] / stride[0]) * Math.ceil(kernel[1] / stride[1]),
    rowSide: { along: 'result', contiguous: groupChannels },
    columnSide: { along: 'result', contiguous: batch },
    uncut: true,
    halves: [values.outputGradient, values.weight].some(({ dataType }) => dataType === 'f16'),
  };
  recordConvolution(recorder, geometry, {
    direction: 'inputGradient',
    shape,
    inputs: [values.outputGradient, values.weight],
    output: inputGradient,
    details: values.below ? ` ${values.below.epilogue.name}` : '',
    direct: (recorder, choice) => recordDirect(recorder, geometry, { ...values, inputGradient }, shape, choice),
    winograd: (recorder, tile) => recordWinogradInputGradient(recorder, geometry, { ...values, inputGradient }, tile),
  });
  return inputGradient;
}

/**
 * A product of channels (rows) and input positions x images (columns), reduced over kernel positions and, innermost,
 * filters.
 *
 * With a stride, an input position meets only every `stride`-th kernel position. Positions that meet the same ones
 * (equal remainders, here called phases) form a separate batch, so that nothing is computed in vain.
 */
function recordDirect(
  recorder: Recorder,
  geometry: Geometry,
  values: Values & { readonly inputGradient: Tensor },
  shape: ProductShape,
  choice: ProductChoice,
): void {
  const { name, batch, height, width, groupChannels, groupFilters, kernel, stride, padding } = geometry;
  const { outputHeight, outputWidth } = geometry;
  const { outputGradient, weight, inputGradient, below } = values;
  const fused = fusesIntoProducts(recorder.gpu) ? below : undefined;
  const plane = outputHeight * outputWidth * batch;
  const phaseWidth = Math.ceil(width / stride[1]);
  const plan = planProduct(recorder.gpu, shape, choice);
  const fours = plan.resultWidth === 4 ? '4' : '';
  const packed = recordPackedWeights(recorder, geometry, { rowsAre: 'channels', weight, plan });
  // The first position of a phase: the smallest y >= 0 where (y + padding) % stride is the phase.
  const first = (phase: string, size: number, pad: number) => `(${phase} + ${size - (pad % size)}u) % ${size}u`;
  const strided = stride[0] > 1 || stride[1] > 1;
  recorder.dispatch({
    label: `${name}/inputGradient`,
    reads: { outputGradient, weights: packed.tensor, ...(fused && { y: fused.output }) },
    writes: { inputGradient },
    vectors: [
      ...(plan.rowForm.width === 4 ? ['weights'] : []),
      ...(fours ? ['outputGradient', 'inputGradient', ...(fused ? ['y'] : [])] : []),
    ],
    ...productKernel({
      title: `Input gradient of ${name}: rows are channels, columns are positions x images, steps are filters`,
      plan,
      rows: groupChannels,
      columns: shape.columns,
      batches: shape.batches,
      reduction: wholeReduction(groupFilters, plan.roundSteps),
      setup: `let group = batch / ${stride[0] * stride[1]}u;
let phase_y = batch / ${stride[1]}u % ${stride[0]}u;
let phase_x = batch % ${stride[1]}u;
${everyLoad(
  plan,
  (c) => `let image_${c} = at_${c} % ${batch}u;
let y_${c} = ${first('phase_y', stride[0], padding.top)} + at_${c} / ${batch * phaseWidth}u * ${stride[0]}u;
let x_${c} = ${first('phase_x', stride[1], padding.left)} + at_${c} / ${batch}u % ${phaseWidth}u * ${stride[1]}u;
let bottom_${c} = i32((y_${c} + ${padding.top}u) / ${stride[0]}u);
let right_${c} = i32((x_${c} + ${padding.left}u) / ${stride[1]}u);`,
)}
let turns_y = (${kernel[0] + stride[0] - 1}u - phase_y) / ${stride[0]}u;
let turns_x = (${kernel[1] + stride[1] - 1}u - phase_x) / ${stride[1]}u;
let weights_begin = ${packed.base};`,
      outer: {
        count: 'turns_y * turns_x',
        declare: everyLoad(plan, (c) => `var inside_${c} = true;`),
        begin: `let turn_y = outer / turns_x; let turn_x = outer % turns_x;
let kernel_place = (turn_y * ${stride[0]}u + phase_y) * ${kernel[1]}u + turn_x * ${stride[1]}u + phase_x;
${everyLoad(
  plan,
  (c) => `let output_y_${c} = bottom_${c} - i32(turn_y); let output_x_${c} = right_${c} - i32(turn_x);
inside_${c} = u32(output_y_${c}) < ${outputHeight}u && u32(output_x_${c}) < ${outputWidth}u;
let place_${c} = u32(output_y_${c} * ${outputWidth} + output_x_${c}) * ${batch}u + image_${c};`,
)}`,
      },
      rowOperand: stridedRows({
        name: 'weights',
        dataType: weight.dataType,
        base: `weights_begin + kernel_place * ${groupFilters * plan.blockRows}u`,
        rowStride: 1,
        stepStride: plan.blockRows,
        plan,
      }),
      columnOperand: stridedColumns({
        name: 'outputGradient',
        dataType: outputGradient.dataType,
        base: (c) => `group * ${groupFilters * plane}u + select(0u, place_${c}, inside_${c})`,
        valid: (c) => `inside_${c}`,
        stepStride: plane,
        plan,
      }),
      store: (row, c, value) => {
        const place =
          `((((group * ${groupChannels}u + ${row}) * ${height}u + y_${c}) * ${width}u + x_${c}) * ` +
          `${batch}u + image_${c})${fours && ' / 4u'}`;
        const keep = storeGradientAfter(
          fused?.epilogue,
          value,
          `load${fours}_y(${place})`,
          plan.resultWidth,
          (gradient) => `store${fours}_inputGradient(${place}, ${gradient});`,
        );
        return strided ? `if (y_${c} < ${height}u && x_${c} < ${width}u) { ${keep} }` : keep;
      },
    }),
  });
  if (below && !fused) recordGradientEpilogue(recorder, `${name}/inputGradient`, inputGradient, below);
}
