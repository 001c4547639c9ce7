import type { ProductKernelOptions } from './family.js';
import { type Patch, quad, type StagedSide } from './fetching.js';

const count = (length: number) => Array.from({ length }, (_, index) => index);

/** How a workgroup keeps quads in its memory, to hand them from one invocation to another. */
export interface QuadMemory {
  store(place: string, value: string): string;
  load(place: string): string;
}

/** WGSL by which a staged kernel adds up its rows. */
export interface RowSummation {
  readonly declare: string;
  /** Statements for each round, of every invocation that fetched rows. */
  readonly add: string;
  /** Statements after the last round, with barriers. */
  readonly keep: string;
}

/**
 * Each invocation adds up what it fetches of the rows on the way; in the end those that have parts of the same rows add
 * them up through memory of the workgroup, always in the same order. Only workgroups of the first columns do, so that each row is
 * added up once.
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

/** WGSL for the sums of a patch over its steps: of each of its four results. */
function sumOf({ vectors }: Patch): string {
  if (vectors[0]!.along === 'result') return vectors.map(({ name }) => `vec4f(${name})`).join(' + ');
  const parts = count(quad).map(
    (part) => `vec4f(${vectors.map(({ name }) => `f32(${name}.${'xyzw'[part]})`).join(', ')})`,
  );
  return parts.join(' + ');
}
