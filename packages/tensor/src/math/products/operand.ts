import type { DataType } from '../../kernel/tensor.js';
import { checkOptions } from '../../option-checks.js';
import type { ProductPlan, Share } from './shape.js';

/**
 * The source of one side of a product, as WGSL. The text can use `batch`, `first_row`, `lane_row` and `lane_step` (the
 * lane's position in `Lanes`), `column_I` (the first column of load `I`, which may be beyond the last) and `at_I` (the
 * same, but clamped), all `u32`.
 */
export interface ProductOperand {
  /** The data type of the tensor: kernels that compute in f16 load its values unconverted. Default: f32. */
  readonly dataType?: DataType;
  /** Declares variables, once. */
  readonly declare: string;
  /** Statements before each reduction, which set them. */
  readonly begin: string;
  /**
   * The value, or `vec4f` (in kernels for matrix units: in the stored type), of load `index`, `step` steps into a
   * round.
   *
   * For the row operand: load number `index * lanes.results + lane_row` from `first_row` on along the rows (if a lane
   * loads consecutive rows, they count as one), and `lane_step` loads further along the reduction. For the column
   * operand: the column `at_INDEX`, and `column_step` loads further if lanes share the columns, too.
   *
   * @param beyond - given if the steps of some lanes may be beyond the reduction: the number of loads along the
   * reduction from `step` on
   */
  load(index: number, step: number, beyond: number | undefined): string;
  /** Statements that advance by `steps`. */
  advance(steps: number): string;
}

const count = (length: number) => Array.from({ length }, (_, index) => index);

/** A `u32` expression in units of loads. */
const inLoads = (width: number, elements: string) => (width === 1 ? elements : `(${elements}) / ${width}u`);

/**
 * The rows of a product whose consecutive rows are `rowStride` apart in the tensor `name`, and whose steps of the
 * reduction are `stepStride` apart. Loads of four need a stride of 1 along their axis, and multiples of four everywhere
 * else.
 *
 * @param options.base - a `u32` expression, evaluated before the loop over the reduction: the position of the first
 * step of row `first_row`
 * @param options.rows - the number of rows. Omit it if memory has all rows of every tile, so that no check is needed.
 * @throws ConfigError for an option that is none
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
  checkOptions('stridedRows', options, ['name', 'dataType', 'base', 'rowStride', 'stepStride', 'plan', 'rows']);
  const { name, dataType = 'f32', base, rows } = options;
  const { share } = options.plan;
  const { blockRows, lanes, rowForm: form } = options.plan;
  const { width } = form;
  const rowsOfLoad = form.along === 'result' ? width : 1;
  const { neighbours } = lanes;
  const checked = rows !== undefined && rows % blockRows !== 0;
  // The position of a lane's load among the loads along the rows, without the part that depends on the lane.
  const placeOf = (index: number) => Math.floor(index / neighbours) * lanes.results * neighbours + (index % neighbours);
  const lane = neighbours === 1 ? 'lane_row' : `lane_row * ${neighbours}u`;
  // The distance between loads, along rows and along the reduction, counted in loads.
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
 * The columns of a product, with values at `base(load) + step * stepStride` of the tensor `name`. Loads of four need a
 * stride of 1 along their axis, and multiples of four everywhere else.
 *
 * @param options.base - a `u32` expression for the position of a load's first value
 * @param options.valid - a `bool` expression: if it is false, the values are 0, but the position must still exist
 * @throws ConfigError for an option that is none
 */
export function stridedColumns(options: {
  readonly name: string;
  readonly dataType?: DataType;
  base(load: number): string;
  valid?(load: number): string;
  readonly stepStride: number;
  readonly plan: Pick<ProductPlan, 'share' | 'columnForm' | 'columnLanes' | 'columnLoads'>;
}): ProductOperand {
  checkOptions('stridedColumns', options, ['name', 'dataType', 'base', 'valid', 'stepStride', 'plan']);
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

/** The WGSL function that loads from a tensor: in the stored type for matrix units, as f32 for all others. */
export function loadFunction(name: string, width: 1 | 4, share: Share): string {
  return `${share === 'matrix' ? 'raw' : 'load'}${width === 4 ? '4' : ''}_${name}`;
}

/** The type that {@link loadFunction} returns. */
export function loadedType(dataType: DataType, width: 1 | 4, share: Share): string {
  const type = share === 'matrix' ? dataType : 'f32';
  return width === 4 ? `vec4<${type}>` : type;
}
