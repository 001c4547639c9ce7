import type { ProductOperand, ProductPlan } from '@alex/tensor/kernels';
import type { Geometry } from './options.js';

/** The input as the columns of a product whose reduction is one, where the usual loop around reductions would waste steps. */
interface FlatColumns {
  readonly operand: ProductOperand;
  /** WGSL of module scope. */
  readonly functions: string;
}

/** Whether a reduction over `depth` steps, repeated, leaves most of its last round empty in a kernel that stages rounds. */
export const isFlat = ({ share, roundSteps }: ProductPlan, depth: number): boolean =>
  (share === 'workgroup' || share === 'matrix') && depth % roundSteps !== 0;

/**
 * The input where columns are output positions and images, and steps run over the kernel's places and, innermost, channels.
 * Sees `top_I`, `left_I` (of the window of load `I`), `image_I` and `group`.
 */
export function windowColumns(geometry: Geometry, plan: ProductPlan): FlatColumns {
  const { batch, height, width, groupChannels, kernel } = geometry;
  const plane = height * width * batch;
  return flatColumns(plan, {
    first: '0u',
    parameters: 'top: i32, left: i32, begin: u32',
    argumentsOf: (c) => `top_${c}, left_${c}, group * ${groupChannels * plane}u + image_${c}`,
    place: `let place = step / ${groupChannels}u;
let y = top + i32(place / ${kernel[1]}u);
let x = left + i32(place % ${kernel[1]}u);
let element = begin + step % ${groupChannels}u * ${plane}u + u32(y * ${width} + x) * ${batch}u;`,
    geometry,
  });
}

/**
 * The input where columns are weights of a filter, and steps run over output positions and, innermost, images. Sees
 * `kernel_y_I`, `kernel_x_I` and `map_I` of load `I`; `first` is the step where the reduction begins.
 */
export function imageColumns(geometry: Geometry, plan: ProductPlan, first: string): FlatColumns {
  const { batch, width, stride, outputWidth } = geometry;
  return flatColumns(plan, {
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
  { columnForm, columnLanes }: ProductPlan,
  options: {
    readonly first: string;
    readonly parameters: string;
    argumentsOf(load: number): string;
    /** Statements that work out `y`, `x` and `element`. */
    readonly place: string;
    readonly geometry: Geometry;
  },
): FlatColumns {
  const { height, width, padding } = options.geometry;
  const padded = padding.top + padding.left + padding.bottom + padding.right > 0;
  const [type, load, zero] =
    columnForm.width === 4 ? ['vec4f', 'load4_input(element / 4u)', 'vec4f()'] : ['f32', 'load_input(element)', '0.0'];
  return {
    functions: `fn input_at(step: u32, ${options.parameters}) -> ${type} {
${options.place}
${padded ? `if (u32(y) >= ${height}u || u32(x) >= ${width}u) { return ${zero}; }` : ''}
return ${load};
}`,
    operand: {
      declare: 'var column_at = 0u;',
      begin: `column_at = ${options.first} + column_step * ${columnLanes.depth}u;`,
      load: (index, step) => `input_at(column_at + ${step}u, ${options.argumentsOf(index)})`,
      advance: (steps) => `column_at += ${steps}u;`,
    },
  };
}
