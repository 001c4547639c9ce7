import {
  chooseTile,
  columnForm,
  lanesFor,
  productKernel,
  type Recorder,
  rowForm,
  stepsOfRound,
  stridedColumns,
  stridedRows,
  type Tensor,
  wholeReduction,
} from '@alex/tensor';
import type { Geometry } from './options.js';
import { recordPackedWeights } from './packed-weights.js';
import { everyLoad, unrollFor } from './wgsl.js';

/**
 * Records the gradient of the input: a product of channels (rows) with input positions and images (columns), reduced over
 * the kernel's places and, innermost, over filters.
 *
 * With a stride, a position meets only every `stride`-th place of the kernel. Positions that meet the same ones (equal
 * rests, here "phases") make a batch of their own, so that nothing is computed in vain.
 */
export function recordInputGradient(
  recorder: Recorder,
  geometry: Geometry,
  values: { readonly outputGradient: Tensor; readonly weight: Tensor },
): Tensor {
  const { gpu } = recorder;
  const { name, batch, channels, height, width, groups, groupChannels, groupFilters, kernel, stride, padding } =
    geometry;
  const { outputHeight, outputWidth } = geometry;
  const { outputGradient, weight } = values;
  const plane = outputHeight * outputWidth * batch;
  const phaseHeight = Math.ceil(height / stride[0]);
  const phaseWidth = Math.ceil(width / stride[1]);
  const columns = phaseHeight * phaseWidth * batch;
  const forms = { rows: rowForm('result', groupChannels), columns: columnForm(gpu, 'result', batch, columns) };
  const tile = chooseTile(gpu, { rows: groupChannels, columns }, forms, unrollFor(gpu, groupFilters));
  const lanes = lanesFor(gpu.subgroupSize, tile, forms.rows);
  const fours = forms.columns.width === 4 ? '4' : '';
  const packed = recordPackedWeights(recorder, geometry, { rowsAre: 'channels', weight, tile });
  const inputGradient = recorder.tensor(`${name}/inputGradient`, [batch, channels, height, width]);
  // The first position of a phase: the least y of at least 0 where (y + padding) % stride is the phase.
  const first = (phase: string, size: number, pad: number) => `(${phase} + ${size - (pad % size)}u) % ${size}u`;
  const strided = stride[0] > 1 || stride[1] > 1;
  recorder.dispatch({
    label: `${name}/inputGradient`,
    reads: { outputGradient, weights: packed.tensor },
    writes: { inputGradient },
    vectors: [...(forms.rows.width === 4 ? ['weights'] : []), ...(fours ? ['outputGradient', 'inputGradient'] : [])],
    ...productKernel({
      title: `Input gradient of ${name}: rows are channels, columns are positions x images, steps are filters`,
      tile,
      lanes,
      rows: groupChannels,
      columns,
      batches: groups * stride[0] * stride[1],
      reduction: wholeReduction(groupFilters, stepsOfRound(tile, lanes, forms.rows, forms.columns)),
      setup: `let group = batch / ${stride[0] * stride[1]}u;
let phase_y = batch / ${stride[1]}u % ${stride[0]}u;
let phase_x = batch % ${stride[1]}u;
${everyLoad(
  tile,
  forms.columns,
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
        declare: everyLoad(tile, forms.columns, (c) => `var inside_${c} = true;`),
        begin: `let turn_y = outer / turns_x; let turn_x = outer % turns_x;
let kernel_place = (turn_y * ${stride[0]}u + phase_y) * ${kernel[1]}u + turn_x * ${stride[1]}u + phase_x;
${everyLoad(
  tile,
  forms.columns,
  (c) => `let output_y_${c} = bottom_${c} - i32(turn_y); let output_x_${c} = right_${c} - i32(turn_x);
inside_${c} = u32(output_y_${c}) < ${outputHeight}u && u32(output_x_${c}) < ${outputWidth}u;
let place_${c} = u32(output_y_${c} * ${outputWidth} + output_x_${c}) * ${batch}u + image_${c};`,
)}`,
      },
      rowOperand: stridedRows({
        name: 'weights',
        base: `weights_begin + kernel_place * ${groupFilters * tile.rows}u`,
        rowStride: 1,
        stepStride: tile.rows,
        tile,
        lanes,
        form: forms.rows,
      }),
      columnOperand: stridedColumns({
        name: 'outputGradient',
        base: (c) => `group * ${groupFilters * plane}u + select(0u, place_${c}, inside_${c})`,
        valid: (c) => `inside_${c}`,
        stepStride: plane,
        tile,
        form: forms.columns,
      }),
      store: (row, c, value) => {
        const keep =
          `store${fours}_inputGradient(((((group * ${groupChannels}u + ${row}) * ${height}u + y_${c}) * ${width}u + x_${c}) * ` +
          `${batch}u + image_${c})${fours && ' / 4u'}, ${value});`;
        return strided ? `if (y_${c} < ${height}u && x_${c} < ${width}u) { ${keep} }` : keep;
      },
    }),
  });
  return inputGradient;
}
