import { ConfigError } from '../../errors.js';
import { type Dispatch, maximumWorkgroups } from '../../kernel/recorder.js';
import type { ProductKernelOptions } from './family.js';
import { type LoadForm, stepsOfLoad } from './lanes.js';
import { outerLoop, reductionLoop } from './reduction.js';
import type { Share } from './shape.js';

const count = (length: number) => Array.from({ length }, (_, index) => index);

/** How the invocations of a subgroup share the values of the row operand. */
export interface RowSharing {
  readonly share: Share;
  /** Further inputs of the entry point, which provide `lane` if lanes share. */
  readonly inputs: string;
  /** A statement that loads `value`, load `index` of step load `stepLoad`. */
  load(index: number, stepLoad: number, value: string): string;
  /** The value that `lane` loaded as load `index` of step load `stepLoad`; `of` selects its wanted component. */
  value(index: number, stepLoad: number, lane: number, of: (loaded: string) => string): string;
}

/**
 * Text of the kernel behind every matrix product and convolution: rows in registers, a column (or four) for each lane.
 *
 * An invocation computes `tile.rows x tile.columns` values of the result. In each round it loads its own values of the
 * columns. The values of the rows, which all invocations need, are loaded only once: each lane loads different ones and
 * shares them with the others. Then every sum takes all steps of the round consecutively. If there are more sums than
 * registers, each is loaded and stored only once per round (`docs/performance.md`).
 */
export function registerTileKernel(
  options: ProductKernelOptions,
  sharing: RowSharing,
): Pick<Dispatch, 'wgsl' | 'workgroups'> {
  const { title, plan, rows, columns, batches, rowOperand, columnOperand, reduction, store } = options;
  const { tile, lanes, rowForm, columnForm, roundSteps } = plan;
  const { share } = sharing;
  const { setup = '', outer, functions = '', initial = () => '' } = options;
  const rowWidth = rowForm.along === 'result' ? rowForm.width : 1;
  const columnWidth = columnForm.along === 'result' ? columnForm.width : 1;
  const laneCount = lanes.results * lanes.steps;
  const loads = tile.rows / rowWidth / lanes.results;
  if (!Number.isInteger(loads) || tile.workgroupSize % laneCount !== 0 || tile.columns % columnWidth !== 0) {
    throw new ConfigError(
      `${title}: a tile of ${tile.rows} x ${tile.columns} and ${tile.workgroupSize} invocations does not fit ` +
        `${lanes.results} x ${lanes.steps} lanes that load ${rowWidth} rows and ${columnWidth} columns; use multiples`,
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

  /** The value of a row at a step of the round, from the lane that loaded it. */
  const rowValue = (row: number, step: number) => {
    const load = Math.floor(row / rowWidth);
    const stepLoad = rowForm.along === 'steps' ? Math.floor(step / rowForm.width) : step;
    const [index, indexOfSteps] = [Math.floor(load / lanes.results), Math.floor(stepLoad / lanes.steps)];
    const [laneRow, laneStep] = [load % lanes.results, stepLoad % lanes.steps];
    const lane = lanes.first === 'results' ? laneStep * lanes.results + laneRow : laneRow * lanes.steps + laneStep;
    return sharing.value(index, indexOfSteps, lane, (loaded) =>
      component(loaded, rowForm, rowForm.along === 'result' ? row : step),
    );
  };
  const columnValue = (load: number, step: number) =>
    columnForm.along === 'result'
      ? `value_${load}_${step}`
      : component(`value_${load}_${Math.floor(step / columnForm.width)}`, columnForm, step);

  const round = (steps: number) => {
    const rowStepsOfLoad = stepsOfLoad(lanes);
    const columnStepsOfLoad = columnForm.along === 'steps' ? columnForm.width : 1;
    const rowLoads = count(Math.ceil(steps / rowStepsOfLoad)).flatMap((stepLoad) => {
      const existing = Math.ceil((steps - stepLoad * rowStepsOfLoad) / (rowStepsOfLoad / lanes.steps));
      const beyond = existing < lanes.steps ? existing : undefined;
      return count(loads).map((index) => {
        const load = rowOperand.load(index, stepLoad * rowStepsOfLoad, beyond);
        return sharing.load(index, stepLoad, load);
      });
    });
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
    laneCount === 1
      ? ['0u', '0u']
      : lanes.first === 'results'
        ? [`lane % ${lanes.results}u`, `lane / ${lanes.results}u`]
        : [`lane / ${lanes.steps}u`, `lane % ${lanes.steps}u`];
  const wgsl = `// ${title}. Result: ${batches} x ${rows} rows x ${columns} columns.
// One invocation computes ${tile.rows} rows (from first_row) of ${tile.columns} columns (${columnWidth} from each of column_0 and so on, ${tile.workgroupSize * columnWidth} apart).
// Lanes lie over neighbouring columns; of the rows' values each lane loads other ones (${lanes.results} x ${lanes.steps} lanes along rows x steps),
// shared by: ${share}. Rows, batch and all loop bounds are the same for a whole workgroup, as broadcasts and barriers need.
${functions}
@compute @workgroup_size(${tile.workgroupSize})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) invocation: u32${sharing.inputs}) {
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
${tileRows.map((row) => `{ ${store(existing(row), load, `sum_${row}_${load}`, '')} }`).join('\n')}
}`,
  )
  .join('\n')}
}`;
  return { wgsl, workgroups: [gridColumns, gridRows] };
}
