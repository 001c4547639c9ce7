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
import { type Geometry, outputShapeOf } from './options.js';
import { recordPackedWeights } from './packed-weights.js';
import { everyLoad, unrollFor } from './wgsl.js';

/**
 * Records the convolution: a product of filters (rows) with positions and images (columns), reduced over the kernel's
 * places and, innermost, over channels.
 */
export function recordForward(
  recorder: Recorder,
  geometry: Geometry,
  values: { readonly input: Tensor; readonly weight: Tensor; readonly bias: Tensor | undefined },
): Tensor {
  const { gpu } = recorder;
  const { name, batch, height, width, groups, groupChannels, groupFilters, kernel, stride, padding } = geometry;
  const { outputHeight, outputWidth } = geometry;
  const { input, weight, bias } = values;
  const columns = outputHeight * outputWidth * batch;
  const plane = height * width * batch;
  const forms = { rows: rowForm('result', groupFilters), columns: columnForm(gpu, 'result', batch, columns) };
  const tile = chooseTile(gpu, { rows: groupFilters, columns }, forms, unrollFor(gpu, groupChannels));
  const lanes = lanesFor(gpu.subgroupSize, tile, forms.rows);
  const fours = forms.columns.width === 4 ? '4' : '';
  const packed = recordPackedWeights(recorder, geometry, { rowsAre: 'filters', weight, tile });
  const output = recorder.tensor(`${name}/output`, outputShapeOf(geometry));
  const padded = padding.top + padding.left + padding.bottom + padding.right > 0;
  recorder.dispatch({
    label: `${name}/forward`,
    reads: { input, weights: packed.tensor, ...(bias ? { bias } : {}) },
    writes: { output },
    vectors: [...(forms.rows.width === 4 ? ['weights'] : []), ...(fours ? ['input', 'output'] : [])],
    ...productKernel({
      title: `Convolution ${name}: rows are filters, columns are positions x images, steps are channels`,
      tile,
      lanes,
      rows: groupFilters,
      columns,
      batches: groups,
      reduction: wholeReduction(groupChannels, stepsOfRound(tile, lanes, forms.rows, forms.columns)),
      setup: `let group = batch;
${everyLoad(
  tile,
  forms.columns,
  (c) => `let image_${c} = at_${c} % ${batch}u;
let top_${c} = i32(at_${c} / ${batch * outputWidth}u * ${stride[0]}u) - ${padding.top};
let left_${c} = i32(at_${c} / ${batch}u % ${outputWidth}u * ${stride[1]}u) - ${padding.left};`,
)}
let weights_begin = ${packed.base};`,
      outer: {
        count: `${kernel[0] * kernel[1]}u`,
        declare: padded ? everyLoad(tile, forms.columns, (c) => `var inside_${c} = true;`) : '',
        begin: `let kernel_y = i32(outer / ${kernel[1]}u); let kernel_x = i32(outer % ${kernel[1]}u);
${everyLoad(
  tile,
  forms.columns,
  (c) => `let y_${c} = top_${c} + kernel_y; let x_${c} = left_${c} + kernel_x;
${padded ? `inside_${c} = u32(y_${c}) < ${height}u && u32(x_${c}) < ${width}u;` : ''}
let place_${c} = u32(y_${c} * ${width} + x_${c}) * ${batch}u + image_${c};`,
)}`,
      },
      rowOperand: stridedRows({
        name: 'weights',
        base: `weights_begin + outer * ${groupChannels * tile.rows}u`,
        rowStride: 1,
        stepStride: tile.rows,
        tile,
        lanes,
        form: forms.rows,
      }),
      columnOperand: stridedColumns({
        name: 'input',
        base: (c) =>
          `group * ${groupChannels * plane}u + ${padded ? `select(0u, place_${c}, inside_${c})` : `place_${c}`}`,
        ...(padded ? { valid: (c: number) => `inside_${c}` } : {}),
        stepStride: plane,
        tile,
        form: forms.columns,
      }),
      initial: (row) => (bias ? `load_bias(group * ${groupFilters}u + ${row})` : ''),
      store: (row, c, value) =>
        `store${fours}_output(((group * ${groupFilters}u + ${row}) * ${columns}u + column_${c})${fours && ' / 4u'}, ${value});`,
    }),
  });
  return output;
}
