import type { Recorder, Tensor } from '@alex/tensor';
import { type ProductPlan, recordPerElement } from '@alex/tensor/kernels';
import type { Geometry } from './options.js';

/** Weights in the order in which a kernel's subgroups read them. */
export interface PackedWeights {
  readonly tensor: Tensor;
  /** A `u32` expression: the start of the block of rows that begins at row `first_row` of group `group`. */
  readonly base: string;
}

/**
 * Records a copy of the weights for a product whose rows are filters (or channels, for the input gradient):
 * `[group][block of rows][kernel row][kernel column][reduction][row]`, where the last load of rows pads the last block.
 * The kernel reads it from front to back, and neighbouring lanes read adjacent values. Weights change, so the copy is
 * made in every step, once for a whole batch of products.
 */
export function recordPackedWeights(
  recorder: Recorder,
  geometry: Geometry,
  options: { readonly rowsAre: 'filters' | 'channels'; readonly weight: Tensor; readonly plan: ProductPlan },
): PackedWeights {
  const { name, groups, groupChannels, groupFilters, kernel } = geometry;
  const { rowsAre, weight } = options;
  const { blockRows, rowForm } = options.plan;
  const { width } = rowForm;
  const area = kernel[0] * kernel[1];
  const [rows, depth] = rowsAre === 'filters' ? [groupFilters, groupChannels] : [groupChannels, groupFilters];
  const blocks = Math.ceil(rows / blockRows);
  const packed = recorder.tensor(`${name}/packedWeights`, [groups, blocks, area, depth, blockRows], {
    dataType: weight.dataType,
  });
  const [filter, channel] = rowsAre === 'filters' ? ['row', 'step'] : ['step', 'row'];
  recordPerElement(recorder, {
    label: `${name}/packWeights/${rowsAre}`,
    elements: packed.elements,
    reads: { weight },
    writes: { packed },
    body: `let step = i / ${blockRows}u % ${depth}u;
let place = i / ${blockRows * depth}u % ${area}u;
let block = i / ${blockRows * depth * area}u;
let load = min(block % ${blocks}u * ${blockRows / width}u + i % ${blockRows}u / ${width}u, ${rows / width - 1}u);
let row = load * ${width}u + i % ${width}u;
let group = block / ${blocks}u;
store_packed(i, load_weight(((group * ${groupFilters}u + ${filter}) * ${groupChannels}u + ${channel}) * ${area}u + place));`,
  });
  return { tensor: packed, base: `(group * ${blocks}u + first_row / ${blockRows}u) * ${area * depth * blockRows}u` };
}
