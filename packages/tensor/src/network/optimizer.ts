import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import type { Update } from '../kernel/update.js';
import type { ParameterDescription } from './layer.js';

export interface LearnedParameter extends ParameterDescription {
  /** The dotted name in the network: `conv1.weight`. */
  readonly path: string;
}

/** How gradients update parameters. */
export interface Optimizer {
  readonly kind: string;
  /** The learning rate of steps that do not specify one. */
  readonly learningRate: number;
  /** Tensors of the parameter's shape that the optimizer keeps from step to step, initially zero: `['velocity']`. */
  readonly state: readonly string[];
  /**
   * Values of this step's scalars: all that `record` used, by name.
   *
   * @param learningRates of some parameters instead of `learningRate`: by dotted name, layer, or kind (`*.bias`);
   * `resolveRate` of `@alex/optim` finds the most specific one
   * @param step the number of the step, 0 for the first; it continues in a resumed run. For formulas that depend on the
   * number of steps
   */
  scalars(
    learningRate: number,
    parameters: readonly LearnedParameter[],
    learningRates?: Readonly<Record<string, number>>,
    step?: number,
  ): Readonly<Record<string, number>>;
  record(recorder: Recorder, values: OptimizerValues & { readonly gradient: Tensor }): void;
  /**
   * The operation of `record` as data, if it is a function of each single value of the gradient: the layer that computes the
   * gradient may then apply it instead. Undefined for a parameter that does not change.
   */
  update?(values: OptimizerValues): Update | undefined;
}

/** Everything that an optimizer gets about one parameter. */
export interface OptimizerValues {
  readonly description: LearnedParameter;
  readonly parameter: Tensor;
  readonly state: Readonly<Record<string, Tensor>>;
  /**
   * If given, `[1]`: a factor for the gradient. 0 means that the step is skipped: parameter and state do not change.
   */
  readonly gradientFactor?: Tensor;
}
