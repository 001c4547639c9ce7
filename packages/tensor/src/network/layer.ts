import type { Epilogue, GradientEpilogue } from '../kernel/epilogue.js';
import type { GradientGather } from '../kernel/gradient-gather.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import type { Update } from '../kernel/update.js';
import type { Shape } from '../shape.js';

/** How a parameter starts: drawn from a normal distribution of mean 0, or one constant. */
export type Initial =
  | { readonly distribution: 'normal'; readonly standardDeviation: number }
  | { readonly distribution: 'constant'; readonly value: number };

export interface ParameterDescription {
  /** `weight` or `bias`; a network puts the layer's name before it: `conv1.weight`. */
  readonly name: string;
  readonly shape: Shape;
  readonly initial: Initial;
  /** Whether weight decay applies (weights, not biases: section 5 of the paper and the 2012 code). */
  readonly decays: boolean;
}

/**
 * A value that a layer keeps from step to step and that is not learnt: it has no gradient, no velocity and no weight decay,
 * and does not count as a parameter. Running means are of this kind.
 */
export interface StateDescription {
  /** A network puts the layer's name before it: `norm1.mean`. No parameter of the layer may have the same name. */
  readonly name: string;
  readonly shape: Shape;
  /** Every value at first. */
  readonly initial: number;
}

export interface ForwardInput {
  readonly input: Tensor;
  /** Never written by the layer. */
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** The layer's state before this batch, by name; only if it has any. Always stored as f32, never written by the layer. */
  readonly state?: Readonly<Record<string, Tensor>>;
  /** Whether dropout and the like are at work, and a backward pass will follow. */
  readonly training: boolean;
  /** The number in the batch of the first image; 0 unless another adapter has those before. For what is drawn at random. */
  readonly firstImage?: number;
  /** For layers that take one: what the layer above does to each value, done here before the output is stored. */
  readonly epilogue?: Epilogue | undefined;
}

export interface ForwardOutput {
  readonly output: Tensor;
  /** What backward needs beside input, output and parameters. */
  readonly kept?: Readonly<Record<string, Tensor>>;
  /**
   * The new values of the state, by name, as f32 tensors of the described shapes: all of them in training, or none. The network
   * stores them at the end of a step that is really taken.
   */
  readonly state?: Readonly<Record<string, Tensor>>;
}

export interface BackwardInput extends Omit<ForwardOutput, 'state'> {
  readonly input: Tensor;
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** The same values as in the forward pass: those before the batch. */
  readonly state?: Readonly<Record<string, Tensor>>;
  /** Gradient of the loss by the layer's output, of the output's shape. */
  readonly outputGradient: Tensor;
  /** As in the forward pass. */
  readonly firstImage?: number;
  /** False for the lowest layer that learns: nothing below needs its input gradient. */
  readonly needsInputGradient: boolean;
  /**
   * For layers that take one: what the layer below makes of its output's gradient, done here before the input's gradient is
   * stored. The output of the layer below is this layer's `input`.
   */
  readonly epilogue?: GradientEpilogue | undefined;
  /**
   * For layers that take one: how the output's gradient is worked out, to be done here. `outputGradient` was never stored then, and
   * tells its shape only.
   */
  readonly gather?: GradientGather | undefined;
  /** False where the gradients of the parameters are recorded at another time. Default: true. */
  readonly needsParameterGradients?: boolean;
  /**
   * For layers that take them: what the gradients of some parameters do, by name, to be done here instead of giving the gradient,
   * after the last reading of the parameter. It may change the parameter.
   */
  readonly updates?: Readonly<Record<string, Update>> | undefined;
}

export interface BackwardOutput {
  readonly inputGradient?: Tensor;
  /**
   * By parameter name, of the parameter's shape: the SUM over the batch (the loss already divides by its size). Without those
   * whose `updates` were done.
   */
  readonly parameterGradients?: Readonly<Record<string, Tensor>>;
}

/** One of `count` equal columns of a network (section 3.2 of the paper), or `span` neighbouring ones from `index` on. */
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
 * What a network is made of: pure description in, recorded dispatches out. Shapes are outside shapes with the batch
 * first. The same object can be used for any input that `outputShape` accepts.
 */
export interface Layer {
  readonly kind: string;
  /** Names the layer in errors, labels and parameters. */
  readonly name: string;
  /** Throws a `ShapeError` that names the layer, what it got and what would fit. */
  outputShape(input: Shape): Shape;
  parameters(input: Shape): readonly ParameterDescription[];
  /**
   * What the layer keeps from step to step beside its parameters. Checkpoints and `weights.safetensors` contain it; only steps
   * change it, so `evaluate`, `gradients` and `statistics` do not. Each micro-batch of a step begins with what the one before
   * left. Adapters that share the images of a batch each make their own new values; at the end of the step, the network stores the
   * mean of them, weighted by the numbers of images. A step that mixed precision skips leaves it as it is.
   */
  state?(input: Shape): readonly StateDescription[];
  /** Multiply-adds of one image's forward pass; 0 for layers without products. */
  multiplyAdds(input: Shape): number;
  /**
   * Whether each pass reads every parameter once or little more often. A GPU then reads large ones as f32 in mixed precision,
   * too: to make an f16 copy would cost more bytes than it saves.
   */
  readonly readsParametersOnce?: true;
  /** Of convolutions, pooling and the like; for whoever draws or prints a network. */
  readonly window?: LayerWindow;
  /** Whether `forward` takes an epilogue; then `backward` must not need the layer's own output. */
  readonly takesEpilogue?: true;
  /** Whether `backward` takes an epilogue. */
  readonly takesGradientEpilogue?: true;
  /** Whether `backward` does `updates`; then it must do all that it is given. */
  readonly takesUpdates?: true;
  /**
   * Whether the output is a sum over the maps (or values) of the input, each weighted by its columns of the parameter
   * `weight`, to which `bias` is added. Then `forward` may be given some neighbouring maps, their columns of `weight` and no
   * `bias`, and what it makes of all of them is added up elsewhere.
   */
  readonly sumsOverInput?: true;
  /**
   * What this layer does, where that is one function of each value, and `backward` needs the output alone. The layer below
   * may do it then, and `forward` is left out.
   */
  readonly epilogue?: Epilogue;
  /**
   * What `backward` does, where that is one function of each value of the output's gradient and of the output. The layer above
   * may do it then, and `backward` is left out.
   */
  readonly gradientEpilogue?: GradientEpilogue;
  /**
   * What `backward` does, where each gradient of the input can be worked out by itself. The layer below may do it then, and
   * `backward` is left out. Undefined where it cannot.
   */
  gather?(values: BackwardInput): GradientGather | undefined;
  /** Whether `backward` takes a gather for an input of a shape. */
  takesGather?(input: Shape): boolean;
  forward(recorder: Recorder, values: ForwardInput): ForwardOutput;
  backward(recorder: Recorder, values: BackwardInput): BackwardOutput;
  /**
   * The part of this layer that makes the maps (or units) of some columns: of their own maps below where the layer reads its
   * own column only, else of all. Its parameters are those of the whole layer with one axis cut. Layers that treat every map
   * alike return themselves.
   *
   * @throws ConfigError where the layer cannot be cut so.
   */
  column(column: Column): Layer;
}

/** What every layer factory takes beside its own options. */
export interface LayerOptions {
  /** Names the layer in errors, labels and parameters. Default: the kind. */
  readonly name?: string;
}
