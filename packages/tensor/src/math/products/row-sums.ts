import type { ProductKernelOptions } from './family.js';
import { type Patch, quad, type StagedSide } from './fetching.js';

const count = (length: number) => Array.from({ length }, (_, index) => index);

/** How a workgroup stores quads in its memory, to pass them from one invocation to another. */
export interface QuadMemory {
  store(place: string, value: string): string;
  load(place: string): string;
}

/** WGSL with which a staged kernel sums its rows. */
export interface RowSummation {
  readonly declare: string;
  /** Statements for each round, for every invocation that fetched rows. */
  readonly add: string;
  /** Statements after the last round, with barriers. */
  readonly keep: string;
}

/**
 * Each invocation sums the row values that it fetches. At the end, invocations with parts of the same rows combine their sums
 * through workgroup memory, always in the same order. Only the workgroups of the first columns do this, so that each row is
 * summed once.
 */
export function rowSummation(
  { plan, rows, rowSums }: ProductKernelOptions,
  { patches, block }: StagedSide,
  condition: string,
  memory: QuadMemory,
): RowSummation {
  if (!rowSums) return { declare: '', add: '', keep: '' };
  const quads = block / quad;
  const { results, steps } = plan.lanes;
  const ofLane = count(quads / results);
  const guard = (row: string) => (rows % plan.blockRows === 0 ? '' : `if (${row} < ${rows}u) `);
  return {
    declare: ofLane.map((index) => `var row_sum_${index} = vec4f();`).join(' '),
    add: `if (first_column == 0u) {
${patches.map((patch) => `row_sum_${patch.quad} += ${sumOf(patch)};`).join('\n')}
}`,
    keep: `if (first_column == 0u) {
workgroupBarrier();
${condition}{
${ofLane.map((index) => memory.store(`lane_step * ${quads}u + ${index * results}u + lane_row`, `row_sum_${index}`)).join('\n')}
}
workgroupBarrier();
if (invocation < ${quads}u) {
var sum = vec4f();
for (var step = 0u; step < ${steps}u; step++) { sum += ${memory.load(`step * ${quads}u + invocation`)}; }
${count(quad)
  .map(
    (part) =>
      `{ let row = first_row + invocation * ${quad}u + ${part}u; ${guard('row')}{ ${rowSums('row', `sum.${'xyzw'[part]}`)} } }`,
  )
  .join('\n')}
}
}`,
  };
}

/** WGSL for the sums of a patch over its steps, one for each of its four results. */
function sumOf({ vectors }: Patch): string {
  if (vectors[0]!.along === 'result') return vectors.map(({ name }) => `vec4f(${name})`).join(' + ');
  const parts = count(quad).map(
    (part) => `vec4f(${vectors.map(({ name }) => `f32(${name}.${'xyzw'[part]})`).join(', ')})`,
  );
  return parts.join(' + ');
}
