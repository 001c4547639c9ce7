import type { Shape } from '../shape.js';

export type DataType = 'f32' | 'u32';

/**
 * A tensor on an adapter, as the recorder knows it: a name and a shape; memory is given to it by the plan.
 *
 * Activities (`[N, C, H, W]`, `[N, F]`) lie in memory with the image as the fastest index: `[C, H, W, N]`, `[F, N]`.
 * Parameters lie row-major in their own shape. See `docs/layout.md`.
 */
export interface Tensor {
  readonly label: string;
  readonly shape: Shape;
  readonly elements: number;
  readonly dataType: DataType;
  /** Memory that outlives a step (parameters, the input, results), never shared with another tensor. */
  readonly persistent: boolean;
  /** A tensor that this one may overwrite if nothing reads it later (in-place operations, element by element only). */
  readonly mayReuse: Tensor | undefined;
}
