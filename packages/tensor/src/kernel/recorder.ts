import type { Gpu } from '../adapter/gpu.js';
import { ConfigError, ShapeError } from '../errors.js';
import { checkOneOf, checkOptions } from '../option-checks.js';
import { elementCount, type Shape } from '../shape.js';
import { bytesPerElement, type DataType, dataTypes, type Tensor } from './tensor.js';

/** Values that change from step to step without recompiling: the step number, the seed, learning rates. */
export type ScalarType = 'f32' | 'u32';

/**
 * One kernel over named tensors. The WGSL text is a `@compute` entry point called `main` (and functions it needs). It
 * accesses memory only through generated functions: `load_NAME(i: u32)` for each tensor in `reads` and `writes`,
 * `store_NAME(i: u32, value)` for each in `writes`, and `scalar_NAME()` for each scalar. So a kernel does not notice if
 * a tensor is split over several bindings, or if an output overwrites an input.
 */
export interface Dispatch {
  /** Shown in GPU errors and traces: `conv2/forward`. */
  readonly label: string;
  readonly wgsl: string;
  readonly reads: Readonly<Record<string, Tensor>>;
  readonly writes: Readonly<Record<string, Tensor>>;
  readonly scalars?: Readonly<Record<string, ScalarType>>;
  /**
   * Names of tensors that are accessed four consecutive elements at a time, by `load4_NAME(i: u32)` and
   * `store4_NAME(i: u32, value)`, where `i` counts groups of four. Their number of elements must be a multiple of four,
   * and they have no `store_NAME`.
   */
  readonly vectors?: readonly string[];
  readonly workgroups: readonly [x: number, y?: number, z?: number];
  /**
   * If given, the kernel accesses only these elements of all tensors with `of` elements, and only they are bound. For
   * the memory plan, successive ranges of the same tensors count as one moment.
   */
  readonly range?: ElementRange;
}

/** A kernel that runs once for each element: neighbouring invocations have neighbouring elements. */
export interface PerElement extends Omit<Dispatch, 'wgsl' | 'workgroups' | 'range'> {
  readonly elements: number;
  /** WGSL of module scope that the body calls. */
  readonly functions?: string;
  /** WGSL that gets the element's index as `i: u32`, below `elements`, and may return early. */
  readonly body: string;
}

/** A kernel that computes each element of some tensors from the same element of others. */
export interface Elementwise extends Pick<Dispatch, 'label' | 'scalars'> {
  readonly elements: number;
  /** Tensors of `elements` elements each. Those in `updates` are both read and written. */
  readonly reads?: Readonly<Record<string, Tensor>>;
  readonly updates?: Readonly<Record<string, Tensor>>;
  readonly writes?: Readonly<Record<string, Tensor>>;
  /** Other tensors, which `body` reads with `load_NAME`. */
  readonly also?: Readonly<Record<string, Tensor>>;
  /** WGSL of module scope that the body calls. */
  readonly functions?: string;
  /**
   * WGSL that gets the element's index as `i: u32` and its values under the names of the tensors, and assigns those of
   * `updates` and `writes`. It may declare variables but not return.
   */
  readonly body: string;
}

/** Values that are sent to another adapter in the middle of a program, or received from it. */
export interface Transfer {
  /** The name of the transfer at both ends and in traces: `conv3/input`. */
  readonly label: string;
  readonly direction: 'send' | 'receive';
  /** The number of the adapter at the other end. */
  readonly peer: number;
  readonly tensor: Tensor;
  /** The range to send. Default: the whole tensor. It must begin and end at word boundaries. */
  readonly part?: { readonly first: number; readonly elements: number } | undefined;
  readonly reads: Readonly<Record<string, Tensor>>;
  readonly writes: Readonly<Record<string, Tensor>>;
}

/** A step of a program. */
export type Operation = Dispatch | Transfer;

export function isTransfer(operation: Operation): operation is Transfer {
  return 'peer' in operation;
}

/** Some consecutive elements of a tensor. */
export interface ElementRange {
  readonly of: number;
  readonly first: number;
  readonly elements: number;
}

/** Records what a network computes; nothing runs until the resulting program does. */
export interface Recorder {
  /** The adapter of the program: its limits and subgroup size decide between variants of a kernel. */
  readonly gpu: Gpu;
  /** A tensor that lives from its first write to its last read. */
  tensor(label: string, shape: Shape, options?: { dataType?: DataType; mayReuse?: Tensor }): Tensor;
  /** The same for an activation or its gradient, `[N, ...]`, which a network in mixed precision stores as f16. */
  activation(label: string, shape: Shape, options?: { mayReuse?: Tensor }): Tensor;
  dispatch(dispatch: Dispatch): void;
  /** Sends a tensor, or a part of it, to the program of another adapter, which receives it under the same label. */
  send(options: Pick<Transfer, 'label' | 'peer' | 'tensor' | 'part'>): void;
  /** Fills a tensor with values sent by the program of another adapter; the following operations wait for them. */
  receive(options: Pick<Transfer, 'label' | 'peer' | 'tensor'>): void;
  /** Accepts a kernel to be recorded later, together with others, and returns true; otherwise it is recorded now. */
  join?(kernel: PerElement): boolean;
  /** Called for every kernel that offers a choice; only the tuner uses it. */
  collect?(tunable: Tunable<unknown>): void;
}

/** An operation with several implementations, of which one is the fastest on an adapter. */
export interface Tunable<Choice> {
  /** The kind of operation: `product`, `conv2d/forward`. */
  readonly kernel: string;
  /** Raised whenever the text of the kernels changes, so that earlier measurements are ignored. */
  readonly version: number;
  /** Everything else that the fastest choice depends on: `1024x1024x8 transposeA`. */
  readonly shape: string;
  /** Implementations as JSON values. Without measurements, the first that is not risky is used. */
  readonly candidates: readonly Choice[];
  /**
   * An implementation that is correct everywhere and never risky; the results of the others are compared with its
   * results.
   */
  readonly plain: Choice;
  /**
   * Whether a candidate may crash the driver or give wrong results: it is first tried in a separate process, and never
   * used before its results were right.
   */
  isRisky?(choice: Choice): boolean;
  /** The largest accepted difference, as a fraction of the largest result. Default: 1e-4. */
  readonly tolerance?: number;
  /** Multiply-adds: if time is short, the kernels with the most work are tuned first. */
  readonly work?: number;
  /** The tensors that `record` writes, except those that it creates itself. */
  readonly outputs: readonly Tensor[];
  /** Records one or several dispatches. The tensors may be replaced by others of the same shapes. */
  record(recorder: Recorder, choice: Choice): void;
}

/** A recorder that keeps operations in a list. */
export interface Recording extends Recorder {
  readonly operations: readonly Operation[];
}

/** WebGPU's default limit of workgroups along one axis, on any adapter. */
export const maximumWorkgroups = 65_535;

export function createRecording(gpu: Gpu): Recording {
  const operations: Operation[] = [];
  const tensor: Recorder['tensor'] = (label, shape, options = {}) => {
    checkOptions(label, options, ['dataType', 'mayReuse']);
    const { dataType = 'f32', mayReuse } = options;
    checkOneOf(label, 'dataType', dataType, dataTypes);
    return { label, shape, elements: elementCount(shape), dataType, mayReuse };
  };
  return {
    gpu,
    operations,
    tensor,
    activation: tensor,
    dispatch(dispatch) {
      checkOptions(dispatch?.label ?? 'dispatch', dispatch, [
        'label',
        'wgsl',
        'reads',
        'writes',
        'scalars',
        'vectors',
        'workgroups',
        'range',
      ]);
      for (const count of dispatch.workgroups) {
        if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= maximumWorkgroups)) {
          throw new ShapeError(`${dispatch.label}: ${dispatch.workgroups.join(' x ')} workgroups cannot be dispatched`);
        }
      }
      const names = [...Object.keys(dispatch.reads), ...Object.keys(dispatch.writes)];
      for (const name of [...names, ...Object.keys(dispatch.scalars ?? {})]) {
        if (!/^[A-Za-z]\w*$/.test(name)) {
          throw new ConfigError(
            `${dispatch.label}: ${name} is not a valid name in WGSL; use letters, digits and underscores`,
          );
        }
      }
      for (const name of names) {
        const [read, written] = [dispatch.reads[name], dispatch.writes[name]];
        if (read && written && read !== written) {
          throw new ConfigError(`${dispatch.label}: ${name} names one tensor that is read and another that is written`);
        }
      }
      // Otherwise the tensor would keep what happens to be in its memory, and nobody would notice.
      for (const name of Object.keys(dispatch.writes)) {
        if (new RegExp(`\\bstore4?_${name}\\b`).test(dispatch.wgsl)) continue;
        throw new ConfigError(
          `${dispatch.label}: the kernel never stores ${name}, which it writes; call store_${name}(i, value)`,
        );
      }
      for (const name of dispatch.vectors ?? []) {
        const tensor = dispatch.reads[name] ?? dispatch.writes[name];
        if (!tensor || tensor.elements % 4 !== 0) {
          throw new ConfigError(`${dispatch.label}: ${name} cannot be accessed four at a time`);
        }
      }
      operations.push(dispatch);
    },
    send(options) {
      checkOptions(options?.label ?? 'send', options, ['label', 'peer', 'tensor', 'part']);
      const { label, tensor, part } = options;
      const bytes = bytesPerElement(tensor.dataType);
      if (part && ((part.first * bytes) % 4 !== 0 || (part.elements * bytes) % 4 !== 0)) {
        throw new ConfigError(`${label}: a part of ${tensor.label} that is sent must begin and end at a word boundary`);
      }
      operations.push({ ...options, direction: 'send', reads: { tensor }, writes: {} });
    },
    receive(options) {
      checkOptions(options?.label ?? 'receive', options, ['label', 'peer', 'tensor']);
      operations.push({ ...options, direction: 'receive', reads: {}, writes: { tensor: options.tensor } });
    },
  };
}
