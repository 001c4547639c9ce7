import type { ProductFamily, ProductKernelOptions } from './family.js';
import { type Patch, quad, type StagedSide } from './fetching.js';
import type { ProductPlan } from './shape.js';
import { type Staging, stagedKernel } from './staged.js';
import { stagedChoices, stagedPlan } from './staged-plan.js';

const count = (length: number) => Array.from({ length }, (_, index) => index);

const plan = stagedPlan({
  share: 'workgroup',
  along: (_, { workgroupSize }) => workgroupSize,
  patchSteps: ({ along, width }) => (along === 'steps' ? width : 1),
});

/** Rows and columns are staged in workgroup memory; every invocation keeps a small tile of the result in registers. */
export const tile: ProductFamily = {
  plan,
  choices: stagedChoices('workgroup', plan, stagedBytes),
  kernel: (options) => stagedKernel(options, registerTiles(options)),
};

/** Quads of a staged step. One more than needed, so that neighbours transpose without bank conflicts. */
const strideOf = (block: number) => block / quad + 1;

/** Workgroup memory of a plan in bytes. */
function stagedBytes({ blockRows, blockColumns, roundSteps }: ProductPlan): number {
  return roundSteps * (strideOf(blockRows) + strideOf(blockColumns)) * 16;
}

function registerTiles({ plan }: ProductKernelOptions): Staging {
  const { tile, blockRows, blockColumns, roundSteps } = plan;
  const invocationRows = tile.invocationRows ?? 1;
  const invocationColumns = tile.workgroupSize / invocationRows;
  const [rowQuads, columnQuads] = [count(tile.rows / quad), count(tile.columns / quad)];
  // The quads of an invocation are spread over the block, so that neighbouring invocations read adjacent quads.
  const rowOf = (index: number) => `(${index * invocationRows}u + tile_row)`;
  const columnOf = (index: number) => `(${index * invocationColumns}u + tile_column)`;
  const step = (k: number) => {
    const loads = [
      ...rowQuads.map((index) => `let row_${index} = staged_rows[${k * strideOf(blockRows)}u + ${rowOf(index)}];`),
      ...columnQuads.map(
        (index) => `let column_${index} = staged_columns[${k * strideOf(blockColumns)}u + ${columnOf(index)}];`,
      ),
    ];
    const products = count(tile.rows).flatMap((row) =>
      columnQuads.map(
        (column) =>
          `sum_${row}_${column} = fma(vec4f(row_${Math.floor(row / quad)}.${'xyzw'[row % quad]}), column_${column}, sum_${row}_${column});`,
      ),
    );
    return `{ ${loads.join(' ')}\n${products.join('\n')} }`;
  };
  return {
    head: `// A workgroup stages ${blockRows} rows and ${blockColumns} columns of ${roundSteps} steps in its memory; an invocation holds ${tile.rows} x ${tile.columns} sums
// (quads of rows and columns, spread over the block). It reads its rows and columns of a step from that memory: lanes beside each
// other the same rows and neighbouring columns. Batch, block and all loop bounds are the same for a whole workgroup, as barriers need.`,
    module: `var<workgroup> staged_rows: array<vec4f, ${roundSteps * strideOf(blockRows)}>;
var<workgroup> staged_columns: array<vec4f, ${roundSteps * strideOf(blockColumns)}>;`,
    inputs: '',
    begin: `let tile_row = invocation / ${invocationColumns}u;
let tile_column = invocation % ${invocationColumns}u;
${count(tile.rows)
  .flatMap((row) => columnQuads.map((column) => `var sum_${row}_${column} = vec4f();`))
  .join('\n')}`,
    stage: ({ name, block, patches }: StagedSide) =>
      patches
        .map((patch) => {
          const place = `(${patch.step}) * ${strideOf(block)}u + (${patch.result}) / ${quad}u`;
          const stores = stepsOf(patch).map(
            (value, step) => `staged_${name}s[place + ${step * strideOf(block)}u] = ${value};`,
          );
          return `{ let place = ${place}; ${stores.join(' ')} }`;
        })
        .join('\n'),
    compute: count(roundSteps).map(step).join('\n'),
    results: (keep) =>
      columnQuads
        .map((column) =>
          keep(
            `${columnOf(column)} * ${quad}u`,
            count(tile.rows).map((row) => ({
              row: `${rowOf(Math.floor(row / quad))} * ${quad}u + ${row % quad}u`,
              value: `sum_${row}_${column}`,
            })),
          ),
        )
        .join('\n'),
    quads: {
      store: (place, value) => `staged_rows[${place}] = ${value};`,
      load: (place) => `staged_rows[${place}]`,
    },
  };
}

/** The values of four results at each step of a patch: values fetched along the reduction are transposed. */
function stepsOf({ vectors }: Patch): string[] {
  if (vectors[0]!.along === 'result') return vectors.map(({ name }) => name);
  return count(quad).map((step) => `vec4f(${vectors.map(({ name }) => `${name}.${'xyzw'[step]}`).join(', ')})`);
}
