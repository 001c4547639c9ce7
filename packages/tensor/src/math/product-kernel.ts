import { ConfigError } from '../errors.js';
import { type Dispatch, maximumWorkgroups } from '../kernel/recorder.js';
import type { ProductTile } from './product-tile.js';

/**
 * How the lanes of a subgroup share the loads of the row operand: `rows * steps` lanes load that many rows of that many
 * steps of the reduction, each lane one value, and hand them round. Without subgroups both are 1: every invocation loads
 * all values itself.
 */
export interface Lanes {
  readonly rows: number;
  readonly steps: number;
  /** Which of the two neighbouring lanes run over: the one that is contiguous in memory. */
  readonly first: 'rows' | 'steps';
}

/**
 * Where the values of one side of a product come from, as WGSL. The text sees `batch`, `first_row`, `lane_row` and
 * `lane_step` (the lane's place in `Lanes`), `column_C` (the result's column, which may lie beyond the last) and `at_C`
 * (the same, but never beyond), all `u32`.
 */
export interface ProductOperand {
  /** Statements before the loop over the reduction. */
  readonly begin: string;
  /**
   * The value `step` steps into a round. Of the row operand: of the row `first_row + index * lanes.rows + lane_row` and
   * the step `step + lane_step`. Of the column operand: of the column `at_INDEX`.
   *
   * @param last - given where `step + lane_step` may lie beyond the reduction: the last step that exists
   */
  load(index: number, step: number, last: number | undefined): string;
  /** Statements that move on by `steps`. */
  advance(steps: number): string;
}

/** How long the reduction is: `rounds` times the unrolled steps, and a rest. */
export interface Reduction {
  /** A `u32` expression, the same for all invocations of a workgroup. */
  readonly rounds: string;
  readonly rest: number;
  /** A condition for the rest, the same for all invocations of a workgroup; always where it is left out. */
  readonly restIf?: string;
}

export interface ProductKernelOptions {
  /** What the kernel computes, in a few words, for the head of the text. */
  readonly title: string;
  readonly tile: ProductTile;
  readonly lanes: Lanes;
  /** Of one result. */
  readonly rows: number;
  readonly columns: number;
  /** How many results of this size there are, each with a `batch` of its own. */
  readonly batches: number;
  readonly rowOperand: ProductOperand;
  readonly columnOperand: ProductOperand;
  readonly reduction: Reduction;
  /** Statements that the operands and `loops` build upon. */
  readonly setup?: string;
  /** Puts loops around the loop over the reduction; their bounds must be the same for all of a workgroup. */
  readonly loops?: (reduction: string) => string;
  /** What a sum starts at, as WGSL; 0 where it is left out. */
  initial?(row: string, column: number): string;
  /**
   * Statements that keep one value of the result, of a row and a column that exist. The last row may be kept several times
   * by the same invocation, always with the same value.
   */
  store(row: string, column: number, value: string): string;
  /** WGSL of module scope. */
  readonly functions?: string;
}

const count = (length: number) => Array.from({ length }, (_, index) => index);

/** Steps of one round: what was asked for, rounded up to a whole number of loads. */
export function stepsOfRound(tile: ProductTile, lanes: Lanes): number {
  return Math.ceil(tile.unroll / lanes.steps) * lanes.steps;
}

/** Lays the lanes over rows, and what is left over steps; `first` is the axis that is contiguous in memory. */
export function lanesFor(
  subgroupSize: number | undefined,
  tile: ProductTile,
  first: 'rows' | 'steps',
  steps = 1,
): Lanes {
  if (subgroupSize === undefined) return { rows: 1, steps: 1, first };
  let rows = Math.max(1, Math.floor(subgroupSize / steps));
  while (tile.rows % rows !== 0) rows /= 2;
  return { rows, steps: subgroupSize / rows, first };
}

/** The reduction over `depth` steps, all in one. */
export function wholeReduction(depth: number, roundSteps: number): Reduction {
  return { rounds: `${Math.floor(depth / roundSteps)}u`, rest: depth % roundSteps };
}

/**
 * The reduction over `depth` steps cut into `parts`. Part `part` (a `u32` expression, the same for all of a workgroup)
 * begins at step `part * stepsOfPart`.
 */
export function reductionPart(
  depth: number,
  parts: number,
  roundSteps: number,
  part: string,
): { readonly reduction: Reduction; readonly stepsOfPart: number; readonly parts: number } {
  if (parts <= 1) return { reduction: wholeReduction(depth, roundSteps), stepsOfPart: depth, parts: 1 };
  const rounds = Math.floor(depth / roundSteps);
  const roundsOfPart = Math.max(1, Math.ceil(rounds / parts));
  const used = Math.max(1, Math.ceil(rounds / roundsOfPart));
  return {
    reduction: {
      rounds: `(min(${rounds}u, (${part} + 1u) * ${roundsOfPart}u) - ${part} * ${roundsOfPart}u)`,
      rest: depth % roundSteps,
      restIf: `${part} == ${used - 1}u`,
    },
    stepsOfPart: roundsOfPart * roundSteps,
    parts: used,
  };
}

/**
 * Text of the one kernel behind every matrix product and convolution: rows in registers, a column a lane.
 *
 * An invocation computes `tile.rows x tile.columns` values of the result. Each step of the reduction it loads its own
 * values of the columns, while the values of the rows, which all invocations of a subgroup need, are loaded once: each
 * lane loads another one and `subgroupBroadcast` hands it to the others. On the software drivers, where a load costs as
 * much as a dozen multiply-adds, this is 2 to 4 times as fast as loading them in every lane (`docs/performance.md`).
 */
export function productKernel(options: ProductKernelOptions): Pick<Dispatch, 'wgsl' | 'workgroups'> {
  const { title, tile, lanes, rows, columns, batches, rowOperand, columnOperand, reduction, store } = options;
  const { setup = '', loops = (text: string) => text, functions = '', initial = () => '0.0' } = options;
  const subgroupSize = lanes.rows * lanes.steps;
  const roundSteps = stepsOfRound(tile, lanes);
  if (tile.rows % lanes.rows !== 0 || tile.workgroupSize % subgroupSize !== 0) {
    throw new ConfigError(
      `${title}: a tile of ${tile.rows} rows and ${tile.workgroupSize} invocations does not fit ` +
        `${lanes.rows} x ${lanes.steps} lanes; rows and invocations must be multiples`,
    );
  }
  const columnBlocks = Math.ceil(columns / (tile.workgroupSize * tile.columns));
  const rowBlocks = Math.ceil(rows / tile.rows);
  const workgroups = columnBlocks * rowBlocks * batches;
  const gridRows = Math.ceil(workgroups / maximumWorkgroups);
  const gridColumns = Math.ceil(workgroups / gridRows);
  const tileRows = count(tile.rows);
  const tileColumns = count(tile.columns);

  const value = (row: number, step: number) => {
    const name = `row_${Math.floor(row / lanes.rows)}_${Math.floor(step / lanes.steps)}`;
    if (subgroupSize === 1) return name;
    const [laneRow, laneStep] = [row % lanes.rows, step % lanes.steps];
    const lane = lanes.first === 'rows' ? laneStep * lanes.rows + laneRow : laneRow * lanes.steps + laneStep;
    return `subgroupBroadcast(${name}, ${lane}u)`;
  };
  // Loads stand just before their use: values that wait in registers push the sums out of them.
  const round = (steps: number) =>
    count(steps)
      .map((step) => {
        const load = Math.floor(step / lanes.steps);
        const last = (load + 1) * lanes.steps > steps ? steps - 1 : undefined;
        const loads =
          step % lanes.steps > 0
            ? []
            : count(tile.rows / lanes.rows).map(
                (index) => `let row_${index}_${load} = ${rowOperand.load(index, step, last)};`,
              );
        const products = tileRows.map((row) => {
          const sums = tileColumns.map(
            (column) => `sum_${row}_${column} = fma(factor, value_${column}, sum_${row}_${column});`,
          );
          return `{ let factor = ${value(row, step)}; ${sums.join(' ')} }`;
        });
        return [
          ...loads,
          '{',
          ...tileColumns.map((column) => `let value_${column} = ${columnOperand.load(column, step, undefined)};`),
          ...products,
          '}',
        ].join('\n');
      })
      .join('\n');
  const rest = reduction.rest > 0 ? `{\n${round(reduction.rest)}\n}` : '';
  const wholeRound = `${round(roundSteps)}
${rowOperand.advance(roundSteps)}
${columnOperand.advance(roundSteps)}`;
  // One round alone needs no loop, which software drivers pay for with every sum.
  const rounds =
    reduction.rounds === '0u'
      ? ''
      : reduction.rounds === '1u'
        ? `{\n${wholeRound}\n}`
        : `for (var round = 0u; round < ${reduction.rounds}; round++) {\n${wholeRound}\n}`;
  const loop = `
${rowOperand.begin}
${columnOperand.begin}
${rounds}
${rest && reduction.restIf ? `if (${reduction.restIf}) ${rest}` : rest}`;

  const existing = (row: number) =>
    rows % tile.rows === 0 ? `(first_row + ${row}u)` : `min(first_row + ${row}u, ${rows - 1}u)`;
  const [laneRow, laneStep] =
    subgroupSize === 1
      ? ['0u', '0u']
      : lanes.first === 'rows'
        ? [`lane % ${lanes.rows}u`, `lane / ${lanes.rows}u`]
        : [`lane / ${lanes.steps}u`, `lane % ${lanes.steps}u`];
  const wgsl = `// ${title}. Result: ${batches} x ${rows} rows x ${columns} columns.
// One invocation computes ${tile.rows} rows (from first_row) of ${tile.columns} columns (column_0, and so on, ${tile.workgroupSize} apart).
// Lanes lie over neighbouring columns; of the rows' values each lane loads another one (${lanes.rows} rows x ${lanes.steps} steps a load).
// Rows, batch and all loop bounds are the same for a whole workgroup, as the broadcasts need.
${functions}
@compute @workgroup_size(${tile.workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) invocation: u32${
    subgroupSize === 1 ? '' : ', @builtin(subgroup_invocation_id) lane: u32'
  }) {
let block = workgroup.y * ${gridColumns}u + workgroup.x;
if (block >= ${workgroups}u) { return; }
let first_row = (block / ${columnBlocks}u) % ${rowBlocks}u * ${tile.rows}u;
let batch = block / ${columnBlocks * rowBlocks}u;
let lane_row = ${laneRow};
let lane_step = ${laneStep};
${tileColumns
  .map(
    (column) =>
      `let column_${column} = block % ${columnBlocks}u * ${tile.workgroupSize * tile.columns}u + ${column * tile.workgroupSize}u + invocation;
let at_${column} = min(column_${column}, ${columns - 1}u);`,
  )
  .join('\n')}
${setup}
${tileRows
  .flatMap((row) => tileColumns.map((column) => `var sum_${row}_${column} = ${initial(existing(row), column)};`))
  .join('\n')}
${loops(loop)}
${tileColumns
  .map(
    (column) => `${columns % (tile.workgroupSize * tile.columns) === 0 ? '' : `if (column_${column} < ${columns}u) `}{
${tileRows.map((row) => `{ ${store(existing(row), column, `sum_${row}_${column}`)} }`).join('\n')}
}`,
  )
  .join('\n')}
}`;
  return { wgsl, workgroups: [gridColumns, gridRows] };
}

/**
 * The rows of a product where neighbouring rows lie `rowStride` apart in the tensor `name`, and the steps of the
 * reduction `stepStride`.
 *
 * @param options.base - a `u32` expression, evaluated before the loop over the reduction: where the first step of the row
 *   `first_row` lies
 * @param options.rows - how many rows there are. Leave it out where memory holds all rows of every tile, so that nothing
 *   needs to be checked.
 */
export function stridedRows(options: {
  readonly name: string;
  readonly base: string;
  readonly rowStride: number;
  readonly stepStride: number;
  readonly tile: ProductTile;
  readonly lanes: Lanes;
  readonly rows?: number;
}): ProductOperand {
  const { name, base, rowStride, stepStride, tile, lanes, rows } = options;
  const checked = rows !== undefined && rows % tile.rows !== 0;
  const lanesBeyond = (step: number, last: number) => `(lane_step - min(lane_step, ${last - step}u)) * ${stepStride}u`;
  return {
    begin: [
      `var rows_at = ${base} + lane_step * ${stepStride}u${checked ? '' : ` + lane_row * ${rowStride}u`};`,
      ...(checked
        ? count(tile.rows / lanes.rows).map(
            (index) =>
              `let row_offset_${index} = (min(first_row + ${index * lanes.rows}u + lane_row, ${rows - 1}u) - first_row) * ${rowStride}u;`,
          )
        : []),
    ].join('\n'),
    load(index, step, last) {
      const offset = step * stepStride + (checked ? 0 : index * lanes.rows * rowStride);
      const place = `rows_at + ${offset}u${checked ? ` + row_offset_${index}` : ''}`;
      return `load_${name}(${place}${last === undefined || lanes.steps === 1 ? '' : ` - ${lanesBeyond(step, last)}`})`;
    },
    advance: (steps) => `rows_at += ${steps * stepStride}u;`,
  };
}

/**
 * The columns of a product where a value lies at `base(column) + step * stepStride` of the tensor `name`.
 *
 * @param options.base - a `u32` expression for the place of a column's first value
 * @param options.valid - a `bool` expression: where it is false the values are 0, but the place must exist all the same
 */
export function stridedColumns(options: {
  readonly name: string;
  base(column: number): string;
  valid?(column: number): string;
  readonly stepStride: number;
  readonly tile: ProductTile;
}): ProductOperand {
  const { name, base, valid, stepStride, tile } = options;
  return {
    begin: count(tile.columns)
      .map((column) => `var columns_at_${column} = ${base(column)};`)
      .join('\n'),
    load(column, step) {
      const load = `load_${name}(columns_at_${column} + ${step * stepStride}u)`;
      return valid ? `select(0.0, ${load}, ${valid(column)})` : load;
    },
    advance: (steps) =>
      count(tile.columns)
        .map((column) => `columns_at_${column} += ${steps * stepStride}u;`)
        .join(' '),
  };
}
