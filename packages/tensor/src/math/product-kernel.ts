import { ConfigError } from '../errors.js';
import { type Dispatch, maximumWorkgroups } from '../kernel/recorder.js';
import type { ProductPlan, ProductTile } from './product-plan.js';

/**
 * Who hands the values of the row operand round, which all invocations of a workgroup need: nobody (each loads all of
 * them), the subgroup by broadcast, or the workgroup through memory of its own.
 */
export type Share = 'none' | 'subgroup' | 'workgroup';

/**
 * How the lanes of those who share lie over the loads of the row operand: `rows * steps` lanes load side by side, `rows` of
 * them along the rows and `steps` along the reduction. Both are 1 where nobody shares.
 */
export interface Lanes {
  readonly rows: number;
  readonly steps: number;
  /** Which of the two neighbouring lanes run over: the one that is contiguous in memory. */
  readonly first: 'rows' | 'steps';
}

/** What one load brings: one value, or four neighbours in memory. */
export interface LoadForm {
  readonly width: 1 | 4;
  /** Where the four lie: along the result's rows (or columns, for the column operand), or along the reduction. */
  readonly along: 'result' | 'steps';
}

/**
 * Where the values of one side of a product come from, as WGSL. The text sees `batch`, `first_row`, `lane_row` and
 * `lane_step` (the lane's place in `Lanes`), `column_I` (the first column of the load `I`, which may lie beyond the last)
 * and `at_I` (the same, but never beyond), all `u32`.
 */
export interface ProductOperand {
  /** Declares variables, once. */
  readonly declare: string;
  /** Statements before each reduction, which set them. */
  readonly begin: string;
  /**
   * The value, or `vec4f`, of the load `index`, `step` steps into a round.
   *
   * Of the row operand: load number `index * lanes.rows + lane_row` from `first_row` on along the rows, and `lane_step`
   * loads further along the reduction. Of the column operand: the column `at_INDEX`.
   *
   * @param beyond - given where the steps of some lanes may lie beyond the reduction: how many loads along the reduction
   *   exist from `step` on
   */
  load(index: number, step: number, beyond: number | undefined): string;
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

/** Repeats the reduction, each time with other operands. One flat loop: software drivers pay for every loop around sums. */
export interface OuterLoop {
  /** How many reductions there are: a `u32` expression, the same for all invocations of a workgroup. */
  readonly count: string;
  /** Declares variables that `begin` sets and the operands use. */
  readonly declare?: string;
  /** Statements before each reduction; they see its number as `outer: u32`. */
  readonly begin: string;
}

export interface ProductKernelOptions {
  /** What the kernel computes, in a few words, for the head of the text. */
  readonly title: string;
  readonly plan: Omit<ProductPlan, 'parts'>;
  /** Of one result. */
  readonly rows: number;
  readonly columns: number;
  /** How many results of this size there are, each with a `batch` of its own. */
  readonly batches: number;
  readonly rowOperand: ProductOperand;
  readonly columnOperand: ProductOperand;
  readonly reduction: Reduction;
  /** Statements that the operands and `outer` build upon. */
  readonly setup?: string;
  /** Where sums run over more than one reduction, as over the places of a convolution's kernel. */
  readonly outer?: OuterLoop;
  /**
   * What a sum starts at, as WGSL: of a row, and of the columns of a load (`at_LOAD` and, where the column operand loads
   * four columns at once, the three after it: then a `vec4f`, or one value for all four). 0 where it is left out.
   */
  initial?(row: string, load: number): string;
  /**
   * Statements that keep the result of a row and the columns of a load, which exist: one value, or a `vec4f`. The last
   * rows may be kept several times by the same invocation, always with the same value.
   */
  store(row: string, load: number, value: string): string;
  /** WGSL of module scope. */
  readonly functions?: string;
}

const count = (length: number) => Array.from({ length }, (_, index) => index);

/** Steps that one load of the row operand covers, by all lanes together. */
function stepsOfLoad(form: LoadForm, lanes: Lanes): number {
  return lanes.steps * (form.along === 'steps' ? form.width : 1);
}

/** Steps of one round: what was asked for, rounded up to a whole number of loads of either operand. */
export function stepsOfRound(tile: ProductTile, lanes: Lanes, rowForm: LoadForm, columnForm: LoadForm): number {
  const columnSteps = columnForm.along === 'steps' ? columnForm.width : 1;
  const least = Math.max(stepsOfLoad(rowForm, lanes), columnSteps);
  return Math.ceil(tile.unroll / least) * least;
}

/** Lays so many lanes (a power of two) over the loads of the rows, and what is left over the reduction. */
export function lanesFor(count: number, tile: ProductTile, form: LoadForm): Lanes {
  const loads = form.along === 'result' ? tile.rows / form.width : tile.rows;
  let rows = count;
  while (loads % rows !== 0) rows /= 2;
  return { rows, steps: count / rows, first: form.along === 'result' ? 'rows' : 'steps' };
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
 * Text of the one kernel behind every matrix product and convolution: rows in registers, a column (or four) a lane.
 *
 * An invocation computes `tile.rows x tile.columns` values of the result. Each round it loads its own values of the
 * columns, while the values of the rows, which all invocations need, are loaded once: each lane loads other ones and hands
 * them to the others. Then every sum takes all steps of the round in a row, so that it
 * is fetched and put back once a round where sums are more than registers (`docs/performance.md`).
 */
export function productKernel(options: ProductKernelOptions): Pick<Dispatch, 'wgsl' | 'workgroups'> {
  const { title, plan, rows, columns, batches, rowOperand, columnOperand, reduction, store } = options;
  const { share, tile, lanes, rowForm, columnForm, roundSteps } = plan;
  const { setup = '', outer, functions = '', initial = () => '' } = options;
  const rowWidth = rowForm.along === 'result' ? rowForm.width : 1;
  const columnWidth = columnForm.along === 'result' ? columnForm.width : 1;
  const laneCount = lanes.rows * lanes.steps;
  const loads = tile.rows / rowWidth / lanes.rows;
  if (!Number.isInteger(loads) || tile.workgroupSize % laneCount !== 0 || tile.columns % columnWidth !== 0) {
    throw new ConfigError(
      `${title}: a tile of ${tile.rows} x ${tile.columns} and ${tile.workgroupSize} invocations does not fit ` +
        `${lanes.rows} x ${lanes.steps} lanes that load ${rowWidth} rows and ${columnWidth} columns; use multiples`,
    );
  }
  if (rows % rowWidth !== 0 || columns % columnWidth !== 0) {
    throw new ConfigError(`${title}: ${rows} x ${columns} values cannot be loaded four at a time; use width 1`);
  }
  const columnsOfWorkgroup = tile.workgroupSize * tile.columns;
  const columnBlocks = Math.ceil(columns / columnsOfWorkgroup);
  const rowBlocks = Math.ceil(rows / tile.rows);
  const workgroups = columnBlocks * rowBlocks * batches;
  const gridRows = Math.ceil(workgroups / maximumWorkgroups);
  const gridColumns = Math.ceil(workgroups / gridRows);
  const tileRows = count(tile.rows);
  const columnLoads = count(tile.columns / columnWidth);
  const sumType = columnWidth === 4 ? 'vec4f' : 'f32';
  const spread = (value: string) => (columnWidth === 4 ? `vec4f(${value})` : value);
  const component = (value: string, form: LoadForm, place: number) =>
    form.width === 4 ? `${value}.${'xyzw'[place % 4]}` : value;

  const placeOfLoad = (index: number, stepLoad: number) => (stepLoad * loads + index) * laneCount;
  /** The value of a row at a step of the round, handed round by the lane that loaded it. */
  const rowValue = (row: number, step: number) => {
    const load = Math.floor(row / rowWidth);
    const stepLoad = rowForm.along === 'steps' ? Math.floor(step / rowForm.width) : step;
    const [index, indexOfSteps] = [Math.floor(load / lanes.rows), Math.floor(stepLoad / lanes.steps)];
    const [laneRow, laneStep] = [load % lanes.rows, stepLoad % lanes.steps];
    const lane = lanes.first === 'rows' ? laneStep * lanes.rows + laneRow : laneRow * lanes.steps + laneStep;
    const shared = `shared_rows[${placeOfLoad(index, indexOfSteps) + lane}]`;
    const loaded = share === 'workgroup' ? shared : `row_${index}_${indexOfSteps}`;
    const value = component(loaded, rowForm, rowForm.along === 'result' ? row : step);
    return share === 'subgroup' ? `subgroupBroadcast(${value}, ${lane}u)` : value;
  };
  const columnValue = (load: number, step: number) =>
    columnForm.along === 'result'
      ? `value_${load}_${step}`
      : component(`value_${load}_${Math.floor(step / columnForm.width)}`, columnForm, step);

  const round = (steps: number) => {
    const rowStepsOfLoad = stepsOfLoad(rowForm, lanes);
    const columnStepsOfLoad = columnForm.along === 'steps' ? columnForm.width : 1;
    const rowLoads = count(Math.ceil(steps / rowStepsOfLoad)).flatMap((stepLoad) => {
      const existing = Math.ceil((steps - stepLoad * rowStepsOfLoad) / (rowStepsOfLoad / lanes.steps));
      const beyond = existing < lanes.steps ? existing : undefined;
      return count(loads).map((index) => {
        const load = rowOperand.load(index, stepLoad * rowStepsOfLoad, beyond);
        return share === 'workgroup'
          ? `shared_rows[${placeOfLoad(index, stepLoad)}u + invocation] = ${load};`
          : `let row_${index}_${stepLoad} = ${load};`;
      });
    });
    // Nobody overwrites what others still read, nor reads what others have not written.
    if (share === 'workgroup') {
      rowLoads.unshift('workgroupBarrier();');
      rowLoads.push('workgroupBarrier();');
    }
    const ownLoads = count(Math.ceil(steps / columnStepsOfLoad)).flatMap((stepLoad) =>
      columnLoads.map(
        (load) =>
          `let value_${load}_${stepLoad} = ${columnOperand.load(load, stepLoad * columnStepsOfLoad, undefined)};`,
      ),
    );
    const products = tileRows.map((row) => {
      const factors = count(steps).map((step) => `let factor_${step} = ${spread(rowValue(row, step))};`);
      const sums = columnLoads.map((load) => {
        const sum = count(steps).reduce(
          (before, step) => `fma(factor_${step}, ${columnValue(load, step)}, ${before})`,
          `sum_${row}_${load}`,
        );
        return `sum_${row}_${load} = ${sum};`;
      });
      return `{ ${factors.join(' ')} ${sums.join(' ')} }`;
    });
    return `{\n${[...rowLoads, ...ownLoads, ...products].join('\n')}\n}`;
  };
  const rest = reduction.rest > 0 ? round(reduction.rest) : '';
  const wholeRound = `${round(roundSteps)}
${rowOperand.advance(roundSteps)}
${columnOperand.advance(roundSteps)}`;
  const declare = `${outer?.declare ?? ''}\n${rowOperand.declare}\n${columnOperand.declare}`;
  const begin = `${outer?.begin ?? ''}\n${rowOperand.begin}\n${columnOperand.begin}`;
  const loop = outer
    ? outerLoop(outer.count, begin, reduction, wholeRound, rest)
    : reductionLoop(begin, reduction, wholeRound, rest);

  // Rows are clamped in whole loads: the last load is computed again, with the same values.
  const existing = (row: number) =>
    rows % tile.rows === 0
      ? `(first_row + ${row}u)`
      : `(min(first_row + ${row - (row % rowWidth)}u, ${rows - rowWidth}u) + ${row % rowWidth}u)`;
  const [laneRow, laneStep] =
    share === 'none'
      ? ['0u', '0u']
      : lanes.first === 'rows'
        ? [`lane % ${lanes.rows}u`, `lane / ${lanes.rows}u`]
        : [`lane / ${lanes.steps}u`, `lane % ${lanes.steps}u`];
  const loadsOfRound = loads * Math.ceil(roundSteps / stepsOfLoad(rowForm, lanes)) * laneCount;
  const sharedRows = `var<workgroup> shared_rows: array<${rowForm.width === 4 ? 'vec4f' : 'f32'}, ${loadsOfRound}>;`;
  const wgsl = `// ${title}. Result: ${batches} x ${rows} rows x ${columns} columns.
// One invocation computes ${tile.rows} rows (from first_row) of ${tile.columns} columns (${columnWidth} from each of column_0 and so on, ${tile.workgroupSize * columnWidth} apart).
// Lanes lie over neighbouring columns; of the rows' values each lane loads other ones (${lanes.rows} x ${lanes.steps} lanes along rows x steps),
// shared by: ${share}. Rows, batch and all loop bounds are the same for a whole workgroup, as broadcasts and barriers need.
${share === 'workgroup' ? sharedRows : ''}
${functions}
@compute @workgroup_size(${tile.workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) invocation: u32${
    share === 'subgroup' ? ', @builtin(subgroup_invocation_id) lane: u32' : ''
  }) {
${share === 'workgroup' ? 'let lane = invocation;' : ''}
let block = workgroup.y * ${gridColumns}u + workgroup.x;
if (block >= ${workgroups}u) { return; }
let first_row = (block / ${columnBlocks}u) % ${rowBlocks}u * ${tile.rows}u;
let batch = block / ${columnBlocks * rowBlocks}u;
let lane_row = ${laneRow};
let lane_step = ${laneStep};
${columnLoads
  .map(
    (load) =>
      `let column_${load} = block % ${columnBlocks}u * ${columnsOfWorkgroup}u + ${load * tile.workgroupSize * columnWidth}u + invocation * ${columnWidth}u;
let at_${load} = min(column_${load}, ${columns - columnWidth}u);`,
  )
  .join('\n')}
${setup}
${tileRows
  .flatMap((row) =>
    columnLoads.map((load) => `var sum_${row}_${load} = ${sumType}(${initial(existing(row), load) || '0.0'});`),
  )
  .join('\n')}
${declare}
${loop}
${columnLoads
  .map(
    (load) => `${columns % columnsOfWorkgroup === 0 ? '' : `if (column_${load} < ${columns}u) `}{
${tileRows.map((row) => `{ ${store(existing(row), load, `sum_${row}_${load}`)} }`).join('\n')}
}`,
  )
  .join('\n')}
}`;
  return { wgsl, workgroups: [gridColumns, gridRows] };
}

function reductionLoop(begin: string, reduction: Reduction, round: string, rest: string): string {
  const { rounds, restIf } = reduction;
  // One round alone needs no loop.
  const all =
    rounds === '0u'
      ? ''
      : rounds === '1u'
        ? `{\n${round}\n}`
        : `for (var round = 0u; round < ${rounds}; round++) {\n${round}\n}`;
  return `${begin}\n${all}\n${rest && restIf ? `if (${restIf}) ${rest}` : rest}`;
}

/** All rounds of all reductions as one loop; `part` counts the rounds of a reduction and, where there is one, its rest. */
function outerLoop(count: string, begin: string, { rounds }: Reduction, round: string, rest: string): string {
  if (rounds === '0u' || (rounds === '1u' && !rest)) {
    return `for (var outer = 0u; outer < ${count}; outer++) {\n${begin}\n${rest || round}\n}`;
  }
  const parts = rest ? `(${rounds} + 1u)` : rounds;
  return `var outer = 0u;
var part = 0u;
let turns = ${count} * ${parts};
for (var turn = 0u; turn < turns; turn++) {
if (part == 0u) {
${begin}
}
${rest ? `if (part == ${rounds}) ${rest} else {\n${round}\n}` : round}
part++;
if (part == ${parts}) { part = 0u; outer++; }
}`;
}

/** A `u32` expression in units of loads. */
const inLoads = (width: number, elements: string) => (width === 1 ? elements : `(${elements}) / ${width}u`);

/**
 * The rows of a product where neighbouring rows lie `rowStride` apart in the tensor `name`, and the steps of the
 * reduction `stepStride`. Loads of four need the stride along them to be 1, and all other places multiples of four.
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
  readonly plan: Pick<ProductPlan, 'tile' | 'lanes' | 'rowForm'>;
  readonly rows?: number;
}): ProductOperand {
  const { name, base, rows } = options;
  const { tile, lanes, rowForm: form } = options.plan;
  const { width } = form;
  const rowsOfLoad = form.along === 'result' ? width : 1;
  const checked = rows !== undefined && rows % tile.rows !== 0;
  // How far one load lies from the next, along rows and along the reduction, counted in loads.
  const rowStride = (options.rowStride * rowsOfLoad) / width;
  const stepStride = form.along === 'steps' ? options.stepStride : options.stepStride / width;
  const offsetOfStep = (step: number) => (form.along === 'steps' ? step / width : step) * stepStride;
  return {
    declare: [
      'var rows_at = 0u;',
      ...(checked
        ? count(tile.rows / rowsOfLoad / lanes.rows).map(
            (index) =>
              `let row_offset_${index} = (min(first_row / ${rowsOfLoad}u + ${index * lanes.rows}u + lane_row, ` +
              `${rows / rowsOfLoad - 1}u) - first_row / ${rowsOfLoad}u) * ${rowStride}u;`,
          )
        : []),
    ].join('\n'),
    begin: `rows_at = ${inLoads(width, base)} + lane_step * ${stepStride}u${checked ? '' : ` + lane_row * ${rowStride}u`};`,
    load(index, step, beyond) {
      const offset = offsetOfStep(step) + (checked ? 0 : index * lanes.rows * rowStride);
      const place = `rows_at + ${offset}u${checked ? ` + row_offset_${index}` : ''}`;
      const back = beyond === undefined ? '' : ` - (lane_step - min(lane_step, ${beyond - 1}u)) * ${stepStride}u`;
      return `${loadFunction(name, form)}(${place}${back})`;
    },
    advance: (steps) => `rows_at += ${offsetOfStep(steps)}u;`,
  };
}

/**
 * The columns of a product where a value lies at `base(load) + step * stepStride` of the tensor `name`. Loads of four need
 * multiples of four in all places but the stride along them, which is 1.
 *
 * @param options.base - a `u32` expression for the place of a load's first value
 * @param options.valid - a `bool` expression: where it is false the values are 0, but the place must exist all the same
 */
export function stridedColumns(options: {
  readonly name: string;
  base(load: number): string;
  valid?(load: number): string;
  readonly stepStride: number;
  readonly plan: Pick<ProductPlan, 'tile' | 'columnForm'>;
}): ProductOperand {
  const { name, base, valid, stepStride } = options;
  const { tile, columnForm: form } = options.plan;
  const { width } = form;
  const loads = count(form.along === 'result' ? tile.columns / width : tile.columns);
  const offset = (step: number) => (step * stepStride) / width;
  return {
    declare: loads.map((load) => `var columns_at_${load} = 0u;`).join('\n'),
    begin: loads.map((load) => `columns_at_${load} = ${inLoads(width, base(load))};`).join('\n'),
    load(index, step) {
      const load = `${loadFunction(name, form)}(columns_at_${index} + ${offset(step)}u)`;
      return valid ? `select(${width === 4 ? 'vec4f()' : '0.0'}, ${load}, ${valid(index)})` : load;
    },
    advance: (steps) => loads.map((load) => `columns_at_${load} += ${offset(steps)}u;`).join(' '),
  };
}

function loadFunction(name: string, { width }: LoadForm): string {
  return `load${width === 4 ? '4' : ''}_${name}`;
}
