import type { Gpu } from '../adapter/gpu.js';
import type { Shape } from '../shape.js';
import type { DataType, Tensor } from './tensor.js';

/** Values that change from step to step without recompiling: the step number, the seed, learning rates. */
export type ScalarType = 'f32' | 'u32';

/**
 * One kernel over named tensors. The WGSL text is a `@compute` entry point called `main` (and functions it needs) that
 * reaches memory only through generated functions: `load_NAME(i: u32)` for each tensor in `reads` and `writes`,
 * `store_NAME(i: u32, value)` for each in `writes`, and `scalar_NAME()` for each scalar. So a kernel does not know
 * whether a tensor is split over several bindings, or whether an output overwrites an input.
 */
export interface Dispatch {
  /** Shown by GPU errors and traces: `conv2/forward`. */
  label: string;
  wgsl: string;
  reads: Readonly<Record<string, Tensor>>;
  writes: Readonly<Record<string, Tensor>>;
  scalars?: Readonly<Record<string, ScalarType>>;
  workgroups: readonly [x: number, y?: number, z?: number];
}

/** Takes down what a network computes; nothing runs until the program made from it does. */
export interface Recorder {
  /** The adapter the program is for: its limits and subgroup size decide between variants of a kernel. */
  readonly gpu: Gpu;
  /** A tensor that lives from its first write to its last read. */
  tensor(label: string, shape: Shape, options?: { dataType?: DataType; mayReuse?: Tensor }): Tensor;
  dispatch(dispatch: Dispatch): void;
}
