import type { ProductFamily, ProductKernelOptions } from './family.js';
import { type Patch, quad, type StagedSide } from './fetching.js';
import type { ProductPlan } from './shape.js';
import { type Staging, stagedKernel } from './staged.js';
import { stagedChoices, stagedPlan } from './staged-plan.js';
import type { ProductGpu } from './table.js';
import type { ProductTile } from './tile-size.js';

const count = (length: number) => Array.from({ length }, (_, index) => index);

/** The subgroups of a workgroup, each with its own tile. */
const subgroupsOf = ({ subgroupSize }: ProductGpu, { workgroupSize }: ProductTile) => workgroupSize / subgroupSize!;

const plan = stagedPlan({
  share: 'matrix',
  along: subgroupsOf,
  patchSteps: () => quad,
  // Because of the transposition, neighbouring lanes write neighbouring steps without bank conflicts.
  first: 'steps',
});

/**
 * Matrix units: a subgroup multiplies matrices of f16 values, which the workgroup stages in its memory, and sums in
 * f32. Operands stored as f32 are rounded to f16, so this family is for products with at least one f16 operand.
 */
export const matrix: ProductFamily = {
  plan,
  choices: stagedChoices('matrix', plan, stagedBytes),
  kernel: (options) => stagedKernel(options, matrices(options)),
};

/**
 * Half-precision values per staged row or column: its steps, plus 16 bytes to avoid bank conflicts between neighbours.
 */
const strideOf = ({ roundSteps }: Pick<ProductPlan, 'roundSteps'>) => roundSteps + 8;

/** Workgroup memory of a plan in bytes: the staged operands, and a row of result matrices for every subgroup. */
function stagedBytes(plan: ProductPlan): number {
  const { blockRows, blockColumns, tile, matrix } = plan;
  return 2 * strideOf(plan) * (blockRows + blockColumns) + (4 * matrix!.rows * blockColumns * blockRows) / tile.rows;
}

function matrices({ plan, ahead, rowSums }: ProductKernelOptions): Staging {
  const { tile, blockRows, blockColumns, roundSteps, matrix } = plan;
  const { rows, columns, steps, subgroupSize } = matrix!;
  const stride = strideOf(plan);
  const subgroupRows = tile.invocationRows ?? 1;
  const subgroupColumns = tile.workgroupSize / subgroupSize / subgroupRows;
  const [down, across] = [count(tile.rows / rows), count(tile.columns / columns)];
  const scratch = rows * tile.columns;
  // If a lane loads something besides its sums, it processes several rows of the same columns, so that their loads are in flight
  // at once.
  const turns = scratch / quad / subgroupSize;
  const sameColumns = subgroupSize % (tile.columns / quad) === 0;
  const atOnce = ahead && sameColumns ? ([4, 2].find((several) => turns % several === 0) ?? 1) : 1;
  const step = (k: number) => `{
${down.map((i) => `let left_${i} = subgroupMatrixLoad<Left>(&staged_rows, (tile_row + ${i * rows}u) * ${stride}u + ${k}u, false, ${stride}u);`).join('\n')}
${across
  .map(
    (j) => `{
let right = subgroupMatrixLoad<Right>(&staged_columns, (tile_column + ${j * columns}u) * ${stride}u + ${k}u, true, ${stride}u);
${down.map((i) => `sum_${i}_${j} = subgroupMatrixMultiplyAccumulate(left_${i}, right, sum_${i}_${j});`).join('\n')}
}`,
  )
  .join('\n')}
}`;
  return {
    head: `// A workgroup stages ${blockRows} rows and ${blockColumns} columns of ${roundSteps} steps in its memory, as f16, the steps of a row (or column) side by side.
// A subgroup holds ${tile.rows} x ${tile.columns} sums as matrices of ${rows} x ${columns}, and multiplies matrices of ${steps} steps. At the end it puts a row of them at a time into
// memory of its own, from where its lanes take neighbouring columns. Batch, block and all loop bounds are the same for a whole workgroup.`,
    module: `alias Left = subgroup_matrix_left<f16, ${steps}, ${rows}>;
alias Right = subgroup_matrix_right<f16, ${columns}, ${steps}>;
alias Sums = subgroup_matrix_result<f32, ${columns}, ${rows}>;
var<workgroup> staged_rows: array<f16, ${blockRows * stride}>;
var<workgroup> staged_columns: array<f16, ${blockColumns * stride}>;
var<workgroup> results: array<f32, ${Math.max(scratch * subgroupRows * subgroupColumns, rowSums ? blockRows * plan.lanes.steps : 0)}>;`,
    inputs: '',
    begin: `let lane = invocation % ${subgroupSize}u;
let subgroup = invocation / ${subgroupSize}u;
let tile_row = subgroup / ${subgroupColumns}u * ${tile.rows}u;
let tile_column = subgroup % ${subgroupColumns}u * ${tile.columns}u;
${down.flatMap((i) => across.map((j) => `var sum_${i}_${j}: Sums;`)).join('\n')}`,
    stage: ({ name, patches }: StagedSide) =>
      patches
        .map((patch) => {
          const stores = resultsOf(patch).map(
            (value, result) => `{ let value = ${value}; let at = place + ${result * stride}u;
${count(quad)
  .map((step) => `staged_${name}s[at + ${step}u] = value.${'xyzw'[step]};`)
  .join(' ')} }`,
          );
          return `{ let place = (${patch.result}) * ${stride}u + ${patch.step};\n${stores.join('\n')} }`;
        })
        .join('\n'),
    compute: count(roundSteps / steps)
      .map((index) => step(index * steps))
      .join('\n'),
    results: (keep) =>
      down
        .map(
          (i) => `workgroupBarrier();
${across.map((j) => `subgroupMatrixStore(&results, subgroup * ${scratch}u + ${j * columns}u, sum_${i}_${j}, false, ${tile.columns}u);`).join('\n')}
workgroupBarrier();
for (var unit = lane; unit < ${scratch / quad}u; unit += ${atOnce * subgroupSize}u) {
${count(atOnce)
  .map(
    (turn) => `let place_${turn} = subgroup * ${scratch}u + (unit + ${turn * subgroupSize}u) * ${quad}u;
let sum_${turn} = vec4f(${count(quad)
      .map((part) => `results[place_${turn} + ${part}u]`)
      .join(', ')});`,
  )
  .join('\n')}
${keep(
  `tile_column + unit % ${tile.columns / quad}u * ${quad}u`,
  count(atOnce).map((turn) => ({
    row: `tile_row + ${i * rows}u + (unit + ${turn * subgroupSize}u) / ${tile.columns / quad}u`,
    value: `sum_${turn}`,
  })),
)}
}`,
        )
        .join('\n'),
    quads: {
      store: (place, value) =>
        `{ let place = (${place}) * ${quad}u; let value = ${value}; ${count(quad)
          .map((part) => `results[place + ${part}u] = value.${'xyzw'[part]};`)
          .join(' ')} }`,
      load: (place) =>
        `vec4f(${count(quad)
          .map((part) => `results[(${place}) * ${quad}u + ${part}u]`)
          .join(', ')})`,
    },
  };
}

/** The values of each result at the four steps of a patch, as f16: values fetched along the result are transposed. */
function resultsOf({ vectors }: Patch): string[] {
  if (vectors[0]!.along === 'steps') return vectors.map(({ name }) => `vec4<f16>(${name})`);
  return count(quad).map(
    (result) => `vec4<f16>(${vectors.map(({ name }) => `f16(${name}.${'xyzw'[result]})`).join(', ')})`,
  );
}
