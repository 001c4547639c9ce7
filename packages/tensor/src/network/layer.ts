import type { Epilogue, GradientEpilogue } from '../kernel/epilogue.js';
import type { GradientGather } from '../kernel/gradient-gather.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import type { Update } from '../kernel/update.js';
import type { Shape } from '../shape.js';

/** The initial value of a parameter: samples of a normal distribution with mean 0, or a constant. */
export type Initial =
  | { readonly distribution: 'normal'; readonly standardDeviation: number }
  | { readonly distribution: 'constant'; readonly value: number };

export interface ParameterDescription {
  /** `weight` or `bias`; a network adds the layer's name as a prefix: `conv1.weight`. */
  readonly name: string;
  readonly shape: Shape;
  readonly initial: Initial;
  /** Whether weight decay applies (weights, not biases: section 5 of the paper and the 2012 code). */
  readonly decays: boolean;
}

/**
 * A value that a layer keeps from step to step without learning it. It has no gradient, no velocity and no weight
 * decay, and does not count as a parameter. Running means are an example.
 */
export interface StateDescription {
  /** A network adds the layer's name as a prefix: `norm1.mean`. No parameter of the layer may have the same name. */
  readonly name: string;
  readonly shape: Shape;
  /** The initial value of every element. */
  readonly initial: number;
}

export interface ForwardInput {
  readonly input: Tensor;
  /** The layer must not write them. */
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** The layer's state before this batch, by name, if it has any. Always stored as f32; the layer must not write it. */
  readonly state?: Readonly<Record<string, Tensor>>;
  /** Whether dropout and the like are active, and a backward pass will follow. */
  readonly training: boolean;
  /** The batch index of the first image; 0 unless another adapter has the images before it. For random numbers. */
  readonly firstImage?: number;
  /**
   * For layers with `takesEpilogue`: the operation of the layer above, to be applied to each value before the output is
   * stored.
   */
  readonly epilogue?: Epilogue | undefined;
}

export interface ForwardOutput {
  readonly output: Tensor;
  /** What backward needs besides input, output and parameters. */
  readonly kept?: Readonly<Record<string, Tensor>>;
  /**
   * The new values of the state, by name, as f32 tensors of the described shapes: in training all of them, otherwise
   * none. The network stores them at the end of a real step.
   */
  readonly state?: Readonly<Record<string, Tensor>>;
}

export interface BackwardInput extends Omit<ForwardOutput, 'state'> {
  readonly input: Tensor;
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** The same values as in the forward pass: those before the batch. */
  readonly state?: Readonly<Record<string, Tensor>>;
  /** Gradient of the loss with respect to the layer's output, with the output's shape. */
  readonly outputGradient: Tensor;
  /** As in the forward pass. */
  readonly firstImage?: number;
  /** False for the lowest layer that learns: nothing below needs its input gradient. */
  readonly needsInputGradient: boolean;
  /**
   * For layers with `takesGradientEpilogue`: the backward pass of the layer below, to be applied before the input
   * gradient is stored. The output of the layer below is this layer's `input`.
   */
  readonly epilogue?: GradientEpilogue | undefined;
  /**
   * For layers with `takesGather`: how to compute the output's gradient here. `outputGradient` was then never stored, and only
   * gives the shape.
   */
  readonly gather?: GradientGather | undefined;
  /** False if the gradients of the parameters are recorded at another time. Default: true. */
  readonly needsParameterGradients?: boolean;
  /**
   * For layers with `takesUpdates`: the updates of some parameters, by name. Apply them here instead of returning the gradient,
   * after the last read of the parameter, because an update may change it.
   */
  readonly updates?: Readonly<Record<string, Update>> | undefined;
}

export interface BackwardOutput {
  readonly inputGradient?: Tensor;
  /**
   * By parameter name, of the parameter's shape: the SUM over the batch (the loss already divides by its size). Without those
   * whose `updates` were applied.
   */
  readonly parameterGradients?: Readonly<Record<string, Tensor>>;
}

/** One of `count` equal columns of a network (section 3.2 of the paper), or `span` consecutive ones from `index` on. */
export interface Column {
  readonly index: number;
  readonly count: number;
  /** Default: 1. */
  readonly span?: number;
}

/** What an output position of a layer sees: a part of each map below it. */
export interface LayerWindow {
  readonly size: readonly [height: number, width: number];
  /** Between the windows of neighbouring positions. */
  readonly stride: readonly [height: number, width: number];
}

/**
 * A building block of networks: takes a pure description, and records dispatches. All shapes are those of the public
 * interface, with the batch first. The same object can be used for any input that `outputShape` accepts.
 */
export interface Layer {
  readonly kind: string;
  /** The name of the layer in errors, labels and parameters. */
  readonly name: string;
  /**
   * What the layer was made with, except its name and the initial values of its parameters, with all defaults filled in: plain data,
   * for programs that write the network in another format. With `kind`, it says everything about what the layer computes. Omitted by
   * layers that take no such options.
   */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Throws a `ShapeError` with the layer's name, the actual shape and what would fit. */
  outputShape(input: Shape): Shape;
  parameters(input: Shape): readonly ParameterDescription[];
  /**
   * Values that the layer keeps from step to step besides its parameters. Checkpoints and `weights.safetensors` contain
   * them. Only steps change them; `evaluate`, `gradients` and `statistics` do not. Each micro-batch of a step starts
   * with the result of the previous one. Adapters that share the images of a batch each compute new values; at the end
   * of the step, the network stores their mean, weighted by the numbers of images. A step skipped in mixed precision
   * does not change them.
   */
  state?(input: Shape): readonly StateDescription[];
  /** Multiply-adds of the forward pass of one image; 0 for layers without products. */
  multiplyAdds(input: Shape): number;
  /**
   * Whether each pass reads every parameter only about once. In mixed precision, a GPU then reads large ones as f32: an f16
   * copy would cost more bytes than it saves.
   */
  readonly readsParametersOnce?: true;
  /** For convolutions, pooling and the like; used by drawings and tables of a network. */
  readonly window?: LayerWindow;
  /** Whether `forward` takes an epilogue; then `backward` must not need the layer's own output. */
  readonly takesEpilogue?: true;
  /** Whether `backward` accepts an epilogue. */
  readonly takesGradientEpilogue?: true;
  /** Whether `backward` applies `updates`; then it must apply all of them. */
  readonly takesUpdates?: true;
  /**
   * Whether the output is a sum over the maps (or values) of the input, each weighted by its columns of the parameter
   * `weight`, plus `bias`. If so, `forward` may be called with some consecutive maps, their columns of `weight` and no
   * `bias`; the results are added elsewhere.
   */
  readonly sumsOverInput?: true;
  /**
   * The operation of this layer, if it is elementwise and `backward` needs only the output. The layer below may then
   * apply it, and `forward` is not called.
   */
  readonly epilogue?: Epilogue;
  /**
   * The operation of `backward`, if it is an elementwise function of the output gradient and the output. The layer
   * above may then apply it, and `backward` is not called.
   */
  readonly gradientEpilogue?: GradientEpilogue;
  /**
   * The operation of `backward`, if each gradient of the input can be computed separately. The layer below may then compute it,
   * and `backward` is not called. Undefined if this is impossible.
   */
  gather?(values: BackwardInput): GradientGather | undefined;
  /** Whether `backward` accepts a gather for an input of a given shape. */
  takesGather?(input: Shape): boolean;
  forward(recorder: Recorder, values: ForwardInput): ForwardOutput;
  backward(recorder: Recorder, values: BackwardInput): BackwardOutput;
  /**
   * The part of this layer that computes the maps (or units) of some columns: from their own maps below if the layer
   * reads only its own column, otherwise from all. Its parameters are slices of the whole layer's along one axis.
   * Layers that treat every map alike return themselves.
   *
   * @throws ConfigError if the layer cannot be divided in this way
   */
  column(column: Column): Layer;
}

/** Options common to all layer factories. */
export interface LayerOptions {
  /** The name of the layer in errors, labels and parameters. Default: the kind. */
  readonly name?: string;
}
