import type { Gpu } from '../adapter/gpu.js';
import { ConfigError, ShapeError } from '../errors.js';
import { elementCount, type Shape } from '../shape.js';
import { bytesPerElement, type DataType, type Tensor } from './tensor.js';

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

/** A kernel that does one thing for each element: neighbouring invocations have neighbouring ones. */
export interface PerElement extends Omit<Dispatch, 'wgsl' | 'workgroups' | 'range'> {
  readonly elements: number;
  /** WGSL of module scope that the body calls. */
  readonly functions?: string;
  /** WGSL that sees the element's number as `i: u32`, below `elements`, and may return early. */
  readonly body: string;
}

/** A kernel that makes each element of some tensors from the same element of others. */
export interface Elementwise extends Pick<Dispatch, 'label' | 'scalars'> {
  readonly elements: number;
  /** Tensors of `elements` elements each. Those in `updates` are both read and written. */
  readonly reads?: Readonly<Record<string, Tensor>>;
  readonly updates?: Readonly<Record<string, Tensor>>;
  readonly writes?: Readonly<Record<string, Tensor>>;
  /** Others, that `body` reaches by `load_NAME`. */
  readonly also?: Readonly<Record<string, Tensor>>;
  /** WGSL of module scope that the body calls. */
  readonly functions?: string;
  /**
   * WGSL that sees the element's number as `i: u32` and its values by the names of the tensors, and assigns those of
   * `updates` and `writes`. It may declare variables but not return.
   */
  readonly body: string;
}

/** Values that go to another adapter in the midst of a program, or come from it. */
export interface Transfer {
  /** Both ends know each other by it, and traces show it: `conv3/input`. */
  readonly label: string;
  readonly direction: 'send' | 'receive';
  /** The number of the adapter at the other end. */
  readonly peer: number;
  readonly tensor: Tensor;
  /** What is sent, where it is not all of the tensor; begins and ends with a whole word of memory. */
  readonly part?: { readonly first: number; readonly elements: number } | undefined;
  readonly reads: Readonly<Record<string, Tensor>>;
  readonly writes: Readonly<Record<string, Tensor>>;
}

/** What a program does next. */
export type Operation = Dispatch | Transfer;

export function isTransfer(operation: Operation): operation is Transfer {
  return 'peer' in operation;
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
  /** The same for an activation or its gradient, `[N, ...]`: a network in mixed precision stores those as f16. */
  activation(label: string, shape: Shape, options?: { mayReuse?: Tensor }): Tensor;
  dispatch(dispatch: Dispatch): void;
  /** Hands a tensor, or a part of it, to the program of another adapter, which receives it by the same label. */
  send(options: Pick<Transfer, 'label' | 'peer' | 'tensor' | 'part'>): void;
  /** Fills a tensor with what the program of another adapter sends; what comes next waits for it. */
  receive(options: Pick<Transfer, 'label' | 'peer' | 'tensor'>): void;
  /** Takes a kernel to be recorded later, together with others, and gives true; or else it is recorded now. */
  join?(kernel: PerElement): boolean;
  /** Hears of every kernel that leaves a choice: only the tuner listens. */
  collect?(tunable: Tunable<unknown>): void;
}

/** An operation that can be computed in several ways, of which one is the fastest on an adapter. */
export interface Tunable<Choice> {
  /** What is computed: `product`, `conv2d/forward`. */
  readonly kernel: string;
  /** Raised whenever the text of the kernels changes, so that what was measured of the old one is forgotten. */
  readonly version: number;
  /** Everything else that the fastest choice depends on: `1024x1024x8 transposeA`. */
  readonly shape: string;
  /** Ways to compute it, as JSON values. The first that is not risky is what is taken where nothing was measured. */
  readonly candidates: readonly Choice[];
  /** A way that is right everywhere and never risky; the results of the others are held against its results. */
  readonly plain: Choice;
  /**
   * Whether a candidate may take the driver down or be computed wrongly: it is tried in a process of its own first, and
   * never taken before it came out right.
   */
  isRisky?(choice: Choice): boolean;
  /** The largest difference that is right, as a share of the largest result. Default: 1e-4. */
  readonly tolerance?: number;
  /** Multiply-adds: where time is short, what does the most is tuned first. */
  readonly work?: number;
  /** What `record` writes, beside tensors that it makes itself. */
  readonly outputs: readonly Tensor[];
  /** Records one or several dispatches. The tensors that they reach may be others than these, of the same shapes. */
  record(recorder: Recorder, choice: Choice): void;
}

/** A recorder that keeps what it hears in a list. */
export interface Recording extends Recorder {
  readonly operations: readonly Operation[];
}

/** WebGPU allows no more workgroups than this along one axis, on any adapter by default. */
export const maximumWorkgroups = 65_535;

export function createRecording(gpu: Gpu): Recording {
  const operations: Operation[] = [];
  const tensor: Recorder['tensor'] = (label, shape, options = {}) => ({
    label,
    shape,
    elements: elementCount(shape),
    dataType: options.dataType ?? 'f32',
    mayReuse: options.mayReuse,
  });
  return {
    gpu,
    operations,
    tensor,
    activation: tensor,
    dispatch(dispatch) {
      for (const count of dispatch.workgroups) {
        if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= maximumWorkgroups)) {
          throw new ShapeError(`${dispatch.label}: ${dispatch.workgroups.join(' x ')} workgroups cannot be dispatched`);
        }
      }
      const names = [...Object.keys(dispatch.reads), ...Object.keys(dispatch.writes)];
      for (const name of [...names, ...Object.keys(dispatch.scalars ?? {})]) {
        if (!/^[A-Za-z]\w*$/.test(name)) {
          throw new ConfigError(`${dispatch.label}: ${name} is no name for WGSL; use letters, digits and underscores`);
        }
      }
      for (const name of names) {
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
      operations.push(dispatch);
    },
    send(options) {
      const { label, tensor, part } = options;
      const bytes = bytesPerElement(tensor.dataType);
      if (part && ((part.first * bytes) % 4 !== 0 || (part.elements * bytes) % 4 !== 0)) {
        throw new ConfigError(`${label}: a part of ${tensor.label} that is sent must begin and end with a whole word`);
      }
      operations.push({ ...options, direction: 'send', reads: { tensor }, writes: {} });
    },
    receive(options) {
      operations.push({ ...options, direction: 'receive', reads: {}, writes: { tensor: options.tensor } });
    },
  };
}
