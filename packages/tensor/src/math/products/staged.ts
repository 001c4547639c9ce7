import { type Dispatch, maximumWorkgroups } from '../../kernel/recorder.js';
import type { ProductKernelOptions } from './family.js';
import { fetching, quad, type StagedSide } from './fetching.js';
import { type QuadMemory, rowSummation } from './row-sums.js';

const count = (length: number) => Array.from({ length }, (_, index) => index);

const inGroups = <Item>(items: readonly Item[], size: number): Item[][] =>
  count(Math.ceil(items.length / size)).map((group) => items.slice(group * size, (group + 1) * size));

/** WGSL that keeps results: four neighbouring columns, starting at `column` of the block, of some of its rows. */
export type Keep = (column: string, results: readonly { readonly row: string; readonly value: string }[]) => string;

/** What happens with the staged operands. */
export interface Staging {
  /** The comment at the top of the kernel: what each invocation computes and reads. */
  readonly head: string;
  /** WGSL of module scope: the workgroup memory. */
  readonly module: string;
  /** Further inputs of the entry point, and statements at its start. */
  readonly inputs: string;
  readonly begin: string;
  /** Statements that write the fetched values to workgroup memory. */
  stage(side: StagedSide): string;
  /** Statements that add the products of a round to the sums. */
  readonly compute: string;
  /** Statements after the last round. */
  results(keep: Keep): string;
  /** Workgroup memory for a quad of each row at a few steps, after the last round. */
  readonly quads: QuadMemory;
}

/**
 * Text of a kernel whose workgroup computes a block of the result, with the required values of rows and columns in
 * workgroup memory. Each round covers some steps of the reduction. The fetched values are staged between two barriers.
 * Then every invocation fetches its share of the next round, and computes with the staged values while those loads are
 * in flight. Values beyond the reduction are 0; rows and columns beyond the result repeat the last one and are not
 * stored.
 */
export function stagedKernel(options: ProductKernelOptions, staging: Staging): Pick<Dispatch, 'wgsl' | 'workgroups'> {
  const { title, plan, rows, columns, batches, reduction, outer, setup = '', functions = '' } = options;
  const { blockRows, blockColumns, columnLanes, columnForm, columnLoads, roundSteps, tile } = plan;
  const columnBlocks = Math.ceil(columns / blockColumns);
  const rowBlocks = Math.ceil(rows / blockRows);
  const workgroups = columnBlocks * rowBlocks * batches;
  const gridRows = Math.ceil(workgroups / maximumWorkgroups);
  const gridColumns = Math.ceil(workgroups / gridRows);
  const rowSide = fetching('row', options);
  const columnSide = fetching('column', options);
  const rowSums = rowSummation(options, rowSide.side, rowSide.condition, staging.quads);

  const resultWidth = plan.resultWidth;
  /** Names the columns that the loads of `setup` and `store` use. */
  const columnsAt = (first: (load: number) => string, width: number) =>
    count(columnLoads)
      .map((load) => `let column_${load} = ${first(load)};\nlet at_${load} = min(column_${load}, ${columns - width}u);`)
      .join('\n');
  const { ahead } = options;
  const guard = (row: string) => (rows % blockRows === 0 ? '' : `if (${row} < ${rows}u) `);
  const existing = (row: string) => (rows % blockRows === 0 ? row : `min(${row}, ${rows - 1}u)`);
  const keep: Keep = (column, results) =>
    count(quad / resultWidth)
      .map((part) => {
        const keepOne = ({ value }: { readonly value: string }, row: string, id: string) => {
          const added = options.initial?.(row, 0);
          const whole = `${resultWidth === 4 ? value : `${value}.${'xyzw'[part]}`}${added ? ` + ${added}` : ''}`;
          return `${guard(row)}{ ${options.store(row, 0, whole, id)} }`;
        };
        const kept = ahead
          ? inGroups(results, quad).map((group) => {
              const loads = group.map(
                ({ row }, id) => `let row_${id} = first_row + ${row};\n${ahead(existing(`row_${id}`), 0, `${id}`)}`,
              );
              return `{ ${[...loads, ...group.map((one, id) => keepOne(one, `row_${id}`, `${id}`))].join('\n')} }`;
            })
          : results.map((one) => `{ let row = first_row + ${one.row}; ${keepOne(one, 'row', '')} }`);
        return `{
${columnsAt(() => `first_column + ${column} + ${part}u`, resultWidth)}
${columns % blockColumns === 0 ? '' : `if (column_0 < ${columns}u) `}{
${setup}
${kept.join('\n')}
}
}`;
      })
      .join('\n');

  const loadWidth = columnForm.along === 'result' ? columnForm.width : 1;
  const neighbours = quad / loadWidth;
  const { rest, restIf } = reduction;
  const [full, last] = [
    `${rowSide.condition}{\n${rowSide.fetch}\n}\n${columnSide.condition}{\n${columnSide.fetch}\n}`,
    `${rowSide.condition}{\n${rowSide.fetchRest}\n}\n${columnSide.condition}{\n${columnSide.fetchRest}\n}`,
  ];
  // Consecutive loads without a condition between them are all in flight at once.
  const whole = rest === 0 ? full : `if (part < rounds) {\n${full}\n} else {\n${last}\n}`;
  const fetch = `if (part == 0u) {
${outer?.begin ?? ''}
${options.rowOperand.begin}
${options.columnOperand.begin}
}
${whole}
${options.rowOperand.advance(roundSteps)}
${options.columnOperand.advance(roundSteps)}
part++;
if (part == parts) { part = 0u; outer++; }`;
  const wgsl = `// ${title}. Result: ${batches} x ${rows} rows x ${columns} columns.
${staging.head}
${staging.module}
${functions}
@compute @workgroup_size(${tile.workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) invocation: u32${staging.inputs}) {
let block = workgroup.y * ${gridColumns}u + workgroup.x;
if (block >= ${workgroups}u) { return; }
let first_row = (block / ${columnBlocks}u) % ${rowBlocks}u * ${blockRows}u;
let first_column = block % ${columnBlocks}u * ${blockColumns}u;
let batch = block / ${columnBlocks * rowBlocks}u;
${rowSide.lane}
${columnSide.lane}
${options.prepare ?? ''}
${staging.begin}
${columnsAt(
  (load) =>
    `first_column + (${Math.floor(load / neighbours) * columnLanes.results}u + lane_column) * ${quad}u + ${load % neighbours}u`,
  loadWidth,
)}
${setup}
${outer?.declare ?? ''}
${options.rowOperand.declare}
${options.columnOperand.declare}
${rowSide.declare}
${columnSide.declare}
${rowSums.declare}
let rounds = ${reduction.rounds};
let parts = rounds${rest === 0 ? '' : restIf === undefined ? ' + 1u' : ` + select(0u, 1u, ${restIf})`};
let turns = ${outer ? `(${outer.count}) * ` : ''}parts;
var outer = 0u;
var part = 0u;
if (turns > 0u) {
${fetch}
}
for (var turn = 0u; turn < turns; turn++) {
workgroupBarrier();
${rowSide.condition}{
${staging.stage(rowSide.side)}
${rowSums.add}
}
${columnSide.condition}{
${staging.stage(columnSide.side)}
}
workgroupBarrier();
if (turn + 1u < turns) {
${fetch}
}
${staging.compute}
}
${staging.results(keep)}
${rowSums.keep}
}`;
  return { wgsl, workgroups: [gridColumns, gridRows] };
}
