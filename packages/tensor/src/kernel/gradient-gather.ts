import type { Tensor } from './tensor.js';

/**
 * The gradient of a layer's input, worked out place by place, four images at a time. The layer below may do it as it loads its
 * output's gradient, which then is never stored.
 */
export interface GradientGather {
  readonly reads: Readonly<Record<string, Tensor>>;
  /** Which of them are reached four elements at a time. */
  readonly vectors: readonly string[];
  /** Statements that make ready for a place: they see `row` and `column`, and `image`, which counts fours, all `i32`. */
  readonly begin: string;
  /** The gradient there in a map, as a `vec4f`; `map` is an `i32` expression. */
  at(map: string): string;
}
