import type { Gpu } from '../adapter/gpu.js';
import { ConfigError, ShapeError } from '../errors.js';
import { elementCount, type Shape } from '../shape.js';
import type { DataType, Tensor } from './tensor.js';
import type { Tunable } from './tunable.js';

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
  readonly label: string;
  readonly wgsl: string;
  readonly reads: Readonly<Record<string, Tensor>>;
  readonly writes: Readonly<Record<string, Tensor>>;
  readonly scalars?: Readonly<Record<string, ScalarType>>;
  /**
   * Names of tensors that are reached four neighbouring elements at a time, by `load4_NAME(i: u32)` and
   * `store4_NAME(i: u32, value)` where `i` counts fours. They must hold a multiple of four elements, and have no
   * `store_NAME`.
   */
  readonly vectors?: readonly string[];
  readonly workgroups: readonly [x: number, y?: number, z?: number];
  /**
   * Where the kernel touches only these elements of all tensors that hold `of` elements: only they are bound. What
   * successive ranges of the same tensors do counts as one moment where memory is planned.
   */
  readonly range?: ElementRange;
}

/** Some successive elements of a tensor. */
export interface ElementRange {
  readonly of: number;
  readonly first: number;
  readonly elements: number;
}

/** Takes down what a network computes; nothing runs until the program made from it does. */
export interface Recorder {
  /** The adapter the program is for: its limits and subgroup size decide between variants of a kernel. */
  readonly gpu: Gpu;
  /** A tensor that lives from its first write to its last read. */
  tensor(label: string, shape: Shape, options?: { dataType?: DataType; mayReuse?: Tensor }): Tensor;
  /** The same for an activity or its gradient, `[N, ...]`: a network in mixed precision stores those as f16. */
  activity(label: string, shape: Shape, options?: { mayReuse?: Tensor }): Tensor;
  dispatch(dispatch: Dispatch): void;
  /** Hears of every kernel that leaves a choice: only the tuner listens. */
  collect?(tunable: Tunable<unknown>): void;
}

/** A recorder that keeps its dispatches in a list. */
export interface Recording extends Recorder {
  readonly dispatches: readonly Dispatch[];
}

/** WebGPU allows no more workgroups than this along one axis, on any adapter by default. */
export const maximumWorkgroups = 65_535;

export function createRecording(gpu: Gpu): Recording {
  const dispatches: Dispatch[] = [];
  const tensor: Recorder['tensor'] = (label, shape, options = {}) => ({
    label,
    shape,
    elements: elementCount(shape),
    dataType: options.dataType ?? 'f32',
    mayReuse: options.mayReuse,
  });
  return {
    gpu,
    dispatches,
    tensor,
    activity: tensor,
    dispatch(dispatch) {
      for (const count of dispatch.workgroups) {
        if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= maximumWorkgroups)) {
          throw new ShapeError(`${dispatch.label}: ${dispatch.workgroups.join(' x ')} workgroups cannot be dispatched`);
        }
      }
      for (const name of [...Object.keys(dispatch.reads), ...Object.keys(dispatch.writes)]) {
        const [read, written] = [dispatch.reads[name], dispatch.writes[name]];
        if (read && written && read !== written) {
          throw new ConfigError(`${dispatch.label}: ${name} names one tensor that is read and another that is written`);
        }
      }
      for (const name of dispatch.vectors ?? []) {
        const tensor = dispatch.reads[name] ?? dispatch.writes[name];
        if (!tensor || tensor.elements % 4 !== 0) {
          throw new ConfigError(`${dispatch.label}: ${name} cannot be reached four at a time`);
        }
      }
      dispatches.push(dispatch);
    },
  };
}
