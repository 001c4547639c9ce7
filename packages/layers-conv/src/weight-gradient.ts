import {
  chooseParts,
  chooseTile,
  columnForm,
  lanesFor,
  productKernel,
  type Recorder,
  recordSumOfParts,
  rowForm,
  stepsOfRound,
  stridedColumns,
  stridedRows,
  type Tensor,
  wholeReduction,
} from '@alex/tensor';
import type { Geometry } from './options.js';
import { everyLoad, unrollFor } from './wgsl.js';

/**
 * Records the gradient of the weights: a product of filters (rows) with the weights of a filter (columns), reduced over
 * output positions and, innermost, over images. Where filters and weights alone give too little to do at once, positions
 * are shared out in parts that are summed afterwards.
 */
export function recordWeightGradient(
  recorder: Recorder,
  geometry: Geometry,
  values: { readonly input: Tensor; readonly outputGradient: Tensor },
): Tensor {
  const { gpu } = recorder;
  const { name, batch, filters, height, width, groups, groupChannels, groupFilters, kernel, stride, padding } =
    geometry;
  const { outputHeight, outputWidth } = geometry;
  const { input, outputGradient } = values;
  const area = kernel[0] * kernel[1];
  const columns = groupChannels * area;
  const positions = outputHeight * outputWidth;
  const forms = { rows: rowForm('steps', batch), columns: columnForm(gpu, 'steps', batch, columns) };
  const tile = chooseTile(gpu, { rows: groupFilters, columns }, forms, unrollFor(gpu, batch));
  const lanes = lanesFor(gpu.subgroupSize, tile, forms.rows);
  const wanted = chooseParts(gpu, tile, { rows: groupFilters, columns, batches: groups, depth: positions * batch });
  const positionsOfPart = Math.ceil(positions / wanted);
  const parts = Math.ceil(positions / positionsOfPart);
  const padded = padding.top + padding.left + padding.bottom + padding.right > 0;
  const weightGradient = recorder.tensor(`${name}/weightGradient`, [filters, groupChannels, ...kernel]);
  const target =
    parts === 1 ? weightGradient : recorder.tensor(`${name}/weightGradient/parts`, [parts, weightGradient.elements]);
  recorder.dispatch({
    label: `${name}/weightGradient`,
    reads: { input, outputGradient },
    writes: { target },
    vectors: forms.rows.width === 4 ? ['input', 'outputGradient'] : [],
    ...productKernel({
      title: `Weight gradient of ${name}: rows are filters, columns are weights of a filter, steps are images`,
      tile,
      lanes,
      rows: groupFilters,
      columns,
      batches: groups * parts,
      reduction: wholeReduction(batch, stepsOfRound(tile, lanes, forms.rows, forms.columns)),
      setup: `let group = batch % ${groups}u;
let slice = batch / ${groups}u;
${everyLoad(
  tile,
  forms.columns,
  (c) => `let kernel_y_${c} = i32(at_${c} / ${kernel[1]}u % ${kernel[0]}u) - ${padding.top};
let kernel_x_${c} = i32(at_${c} % ${kernel[1]}u) - ${padding.left};
let map_${c} = (group * ${groupChannels}u + at_${c} / ${area}u) * ${height * width * batch}u;`,
)}`,
      outer: {
        count: `(min(${positions}u, (slice + 1u) * ${positionsOfPart}u) - slice * ${positionsOfPart}u)`,
        declare: padded ? everyLoad(tile, forms.columns, (c) => `var inside_${c} = true;`) : '',
        begin: `let position = slice * ${positionsOfPart}u + outer;
let window_y = i32(position / ${outputWidth}u * ${stride[0]}u);
let window_x = i32(position % ${outputWidth}u * ${stride[1]}u);
${everyLoad(
  tile,
  forms.columns,
  (c) => `let y_${c} = window_y + kernel_y_${c}; let x_${c} = window_x + kernel_x_${c};
${padded ? `inside_${c} = u32(y_${c}) < ${height}u && u32(x_${c}) < ${width}u;` : ''}
let place_${c} = map_${c} + u32(y_${c} * ${width} + x_${c}) * ${batch}u;`,
)}`,
      },
      rowOperand: stridedRows({
        name: 'outputGradient',
        base: `((group * ${groupFilters}u + first_row) * ${positions}u + position) * ${batch}u`,
        rowStride: positions * batch,
        stepStride: 1,
        tile,
        lanes,
        form: forms.rows,
        rows: groupFilters,
      }),
      columnOperand: stridedColumns({
        name: 'input',
        base: (c) => (padded ? `select(0u, place_${c}, inside_${c})` : `place_${c}`),
        ...(padded ? { valid: (c: number) => `inside_${c}` } : {}),
        stepStride: 1,
        tile,
        form: forms.columns,
      }),
      store: (row, c, value) =>
        `store_target(slice * ${weightGradient.elements}u + (group * ${groupFilters}u + ${row}) * ${columns}u + column_${c}, ${value});`,
    }),
  });
  if (parts > 1) {
    recordSumOfParts(recorder, {
      label: `${name}/weightGradient/sum`,
      input: target,
      output: weightGradient,
      parts,
      elements: weightGradient.elements,
    });
  }
  return weightGradient;
}
