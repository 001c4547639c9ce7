import type { Tensor } from './tensor.js';

/**
 * The gradient of a layer's input, computed position by position, four images at a time. The layer below may compute it where
 * it would otherwise load its output's gradient, which is then never stored.
 */
export interface GradientGather {
  readonly reads: Readonly<Record<string, Tensor>>;
  /** Those that are accessed four elements at a time. */
  readonly vectors: readonly string[];
  /**
   * Statements that prepare for a position: they can use `row` and `column`, and `image`, which counts groups of four, all
   * `i32`.
   */
  readonly begin: string;
  /** The gradient at this position of a map, as a `vec4f`; `map` is an `i32` expression. */
  at(map: string): string;
}
