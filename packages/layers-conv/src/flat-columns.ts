import type { DataType } from '@alex/tensor';
import { isStaged, loadedType, loadFunction, type ProductOperand, type ProductPlan } from '@alex/tensor/kernels';
import type { Geometry } from './options.js';

/**
 * The input as the columns of a product with a single flat reduction, where the usual nested reduction would waste
 * steps.
 */
interface FlatColumns {
  readonly operand: ProductOperand;
  /** WGSL of module scope. */
  readonly functions: string;
  /** Statements that precede all others. */
  readonly prepare?: string;
}

/** Whether repeated reductions over `depth` steps leave the last round partly empty, in a kernel that stages rounds. */
const leavesARest = ({ share, roundSteps }: ProductPlan, depth: number): boolean =>
  isStaged(share) && depth % roundSteps !== 0;

/**
 * The most steps whose positions a workgroup keeps in its memory: enough for the first layer of every network that we
 * know.
 */
const mostPlaces = 512;

/**
 * The input with output positions and images as columns, and kernel positions and, innermost, channels as steps;
 * undefined if that gains nothing. Uses `top_I`, `left_I` (of the window of load `I`), `image_I` and `group`.
 */
export function windowColumns(geometry: Geometry, plan: ProductPlan, dataType: DataType): FlatColumns | undefined {
  const { batch, height, width, groupChannels, kernel } = geometry;
  const plane = height * width * batch;
  const steps = groupChannels * kernel[0] * kernel[1];
  if (!leavesARest(plan, groupChannels) || steps > mostPlaces) return undefined;
  return {
    ...flatColumns(plan, {
      dataType,
      first: '0u',
      parameters: 'top: i32, left: i32, begin: u32',
      argumentsOf: (c) =>
        `top_${c}, left_${c}, group * ${groupChannels * plane}u + u32(top_${c} * ${width} + left_${c}) * ${batch}u + image_${c}`,
      // The start may be before the input and wrap around; added to the position, it does not.
      place: `let place = places[step];
let y = top + i32(place.y >> 16u);
let x = left + i32(place.y & 0xffffu);
let element = begin + place.x;`,
      module: `var<workgroup> places: array<vec2u, ${steps}>;`,
      geometry,
    }),
    prepare: `for (var step = invocation; step < ${steps}u; step += ${plan.tile.workgroupSize}u) {
let y = step / ${groupChannels * kernel[1]}u;
let x = step / ${groupChannels}u % ${kernel[1]}u;
places[step] = vec2u(step % ${groupChannels}u * ${plane}u + (y * ${width}u + x) * ${batch}u, (y << 16u) | x);
}
workgroupBarrier();`,
  };
}

/**
 * The input with a filter's weights as columns, and output positions and, innermost, images as steps; undefined if that
 * gains nothing. Uses `kernel_y_I`, `kernel_x_I` and `map_I` of load `I`; the reduction starts at step `first`.
 */
export function imageColumns(
  geometry: Geometry,
  plan: ProductPlan,
  dataType: DataType,
  first: string,
): FlatColumns | undefined {
  const { batch, width, stride, outputWidth } = geometry;
  if (!leavesARest(plan, batch)) return undefined;
  return flatColumns(plan, {
    dataType,
    first,
    parameters: 'kernel_y: i32, kernel_x: i32, map: u32',
    argumentsOf: (c) => `kernel_y_${c}, kernel_x_${c}, map_${c}`,
    place: `let position = step / ${batch}u;
let y = i32(position / ${outputWidth}u * ${stride[0]}u) + kernel_y;
let x = i32(position % ${outputWidth}u * ${stride[1]}u) + kernel_x;
let element = map + u32(y * ${width} + x) * ${batch}u + step % ${batch}u;`,
    geometry,
  });
}

function flatColumns(
  { share, columnForm, columnLanes }: ProductPlan,
  options: {
    readonly dataType: DataType;
    readonly first: string;
    readonly parameters: string;
    argumentsOf(load: number): string;
    /** Statements that compute `y`, `x` and `element`. */
    readonly place: string;
    readonly module?: string;
    readonly geometry: Geometry;
  },
): FlatColumns {
  const { height, width, padding } = options.geometry;
  const padded = padding.top + padding.left + padding.bottom + padding.right > 0;
  const { dataType } = options;
  const { width: fours } = columnForm;
  const type = loadedType(dataType, fours, share);
  const load = (element: string) => `${loadFunction('input', fours, share)}(${element}${fours === 4 ? ' / 4u' : ''})`;
  return {
    functions: `${options.module ?? ''}
fn input_at(step: u32, ${options.parameters}) -> ${type} {
${options.place}
${
  padded
    ? `let inside = u32(y) < ${height}u && u32(x) < ${width}u;
return select(${type}(), ${load('select(0u, element, inside)')}, inside);`
    : `return ${load('element')};`
}
}`,
    operand: {
      dataType,
      declare: 'var column_at = 0u;',
      begin: `column_at = ${options.first} + column_step * ${columnLanes.depth}u;`,
      load: (index, step) => `input_at(column_at + ${step}u, ${options.argumentsOf(index)})`,
      advance: (steps) => `column_at += ${steps}u;`,
    },
  };
}
