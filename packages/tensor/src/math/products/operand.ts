import type { DataType } from '../../kernel/tensor.js';
import type { ProductPlan, Share } from './shape.js';

/**
 * Where the values of one side of a product come from, as WGSL. The text sees `batch`, `first_row`, `lane_row` and
 * `lane_step` (the lane's place in `Lanes`), `column_I` (the first column of the load `I`, which may lie beyond the last)
 * and `at_I` (the same, but never beyond), all `u32`.
 */
export interface ProductOperand {
  /** How the tensor stores its values: kernels that compute with f16 load them as they are. Default: f32. */
  readonly dataType?: DataType;
  /** Declares variables, once. */
  readonly declare: string;
  /** Statements before each reduction, which set them. */
  readonly begin: string;
  /**
   * The value, or `vec4f` (in kernels of matrix units: as stored), of the load `index`, `step` steps into a round.
   *
   * Of the row operand: load number `index * lanes.results + lane_row` from `first_row` on along the rows (where a lane
   * loads neighbours, they count as one), and `lane_step` loads further along the reduction. Of the column operand: the
   * column `at_INDEX`, and `column_step` loads further where lanes share the columns, too.
   *
   * @param beyond - given where the steps of some lanes may lie beyond the reduction: how many loads along the reduction
   *   exist from `step` on
   */
  load(index: number, step: number, beyond: number | undefined): string;
  /** Statements that move on by `steps`. */
  advance(steps: number): string;
}

const count = (length: number) => Array.from({ length }, (_, index) => index);

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
  readonly dataType?: DataType;
  readonly base: string;
  readonly rowStride: number;
  readonly stepStride: number;
  readonly plan: Pick<ProductPlan, 'share' | 'blockRows' | 'lanes' | 'rowForm'>;
  readonly rows?: number;
}): ProductOperand {
  const { name, dataType = 'f32', base, rows } = options;
  const { share } = options.plan;
  const { blockRows, lanes, rowForm: form } = options.plan;
  const { width } = form;
  const rowsOfLoad = form.along === 'result' ? width : 1;
  const { neighbours } = lanes;
  const checked = rows !== undefined && rows % blockRows !== 0;
  // The place of a lane's load among the loads along the rows, without what depends on the lane.
  const placeOf = (index: number) => Math.floor(index / neighbours) * lanes.results * neighbours + (index % neighbours);
  const lane = neighbours === 1 ? 'lane_row' : `lane_row * ${neighbours}u`;
  // How far one load lies from the next, along rows and along the reduction, counted in loads.
  const rowStride = (options.rowStride * rowsOfLoad) / width;
  const stepStride = form.along === 'steps' ? options.stepStride : options.stepStride / width;
  const laneStride = (lanes.depth * options.stepStride) / width;
  const offsetOfStep = (step: number) => (form.along === 'steps' ? step / width : step) * stepStride;
  return {
    dataType,
    declare: [
      'var rows_at = 0u;',
      ...(checked
        ? count(blockRows / rowsOfLoad / lanes.results).map(
            (index) =>
              `let row_offset_${index} = (min(first_row / ${rowsOfLoad}u + ${placeOf(index)}u + ${lane}, ` +
              `${rows / rowsOfLoad - 1}u) - first_row / ${rowsOfLoad}u) * ${rowStride}u;`,
          )
        : []),
    ].join('\n'),
    begin: `rows_at = ${inLoads(width, base)} + lane_step * ${laneStride}u${checked ? '' : ` + lane_row * ${rowStride * neighbours}u`};`,
    load(index, step, beyond) {
      const offset = offsetOfStep(step) + (checked ? 0 : placeOf(index) * rowStride);
      const place = `rows_at + ${offset}u${checked ? ` + row_offset_${index}` : ''}`;
      const back = beyond === undefined ? '' : ` - (lane_step - min(lane_step, ${beyond - 1}u)) * ${stepStride}u`;
      return `${loadFunction(name, form.width, share)}(${place}${back})`;
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
  readonly dataType?: DataType;
  base(load: number): string;
  valid?(load: number): string;
  readonly stepStride: number;
  readonly plan: Pick<ProductPlan, 'share' | 'columnForm' | 'columnLanes' | 'columnLoads'>;
}): ProductOperand {
  const { name, dataType = 'f32', base, valid, stepStride } = options;
  const { share } = options.plan;
  const { columnForm: form, columnLanes, columnLoads } = options.plan;
  const { width } = form;
  const loads = count(columnLoads);
  const ofLane = columnLanes.steps === 1 ? '' : ` + column_step * ${(columnLanes.depth * stepStride) / width}u`;
  const offset = (step: number) => (step * stepStride) / width;
  return {
    dataType,
    declare: loads.map((load) => `var columns_at_${load} = 0u;`).join('\n'),
    begin: loads.map((load) => `columns_at_${load} = ${inLoads(width, base(load))}${ofLane};`).join('\n'),
    load(index, step) {
      const load = `${loadFunction(name, width, share)}(columns_at_${index} + ${offset(step)}u)`;
      return valid ? `select(${loadedType(dataType, width, share)}(), ${load}, ${valid(index)})` : load;
    },
    advance: (steps) => loads.map((load) => `columns_at_${load} += ${offset(steps)}u;`).join(' '),
  };
}

/** The WGSL function that loads from a tensor: matrix units take values as they are stored, all others f32. */
export function loadFunction(name: string, width: 1 | 4, share: Share): string {
  return `${share === 'matrix' ? 'raw' : 'load'}${width === 4 ? '4' : ''}_${name}`;
}

/** What {@link loadFunction} gives. */
export function loadedType(dataType: DataType, width: 1 | 4, share: Share): string {
  const type = share === 'matrix' ? dataType : 'f32';
  return width === 4 ? `vec4<${type}>` : type;
}
