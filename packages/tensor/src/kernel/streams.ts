import type { Tensor } from './tensor.js';

/**
 * A layer whose output depends, at each place of an image, on a few neighbouring maps at that place: what goes in map by map
 * comes out map by map. The layer above may do it as it loads its input, which then is never stored.
 */
export interface MapStream {
  /** Equal parts of the maps, which know nothing of each other. */
  readonly groups: number;
  /** On how many maps before and after its own an output depends. Maps outside the group are to be taken in as 0. */
  readonly reach: { readonly before: number; readonly after: number };
  /** WGSL of module scope. The type of a value is called `Values`: `f32`, or `vec4f` for those of four images. */
  readonly functions: string;
  /** Statements that declare what is kept from map to map. */
  readonly declare: string;
  /** Statements that take in the next map's value, a variable. */
  push(input: string): string;
  /** The output of the map that was taken in `reach.after` maps ago. */
  readonly output: string;
}

/** The layer below one that does its forward pass as well. */
export interface StreamBelow {
  readonly stream: MapStream;
  /** What that layer reads, of the shape of its output. */
  readonly input: Tensor;
}

/**
 * The mirror image in the backward pass: the gradient of a layer's input as it can be worked out place by place, four images at
 * a time. The layer below may do it as it loads its output's gradient, which then is never stored.
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
