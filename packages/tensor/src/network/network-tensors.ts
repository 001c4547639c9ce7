import type { Tensor, TensorOptions } from '../kernel/tensor.js';
import type { Shape } from '../shape.js';
import type { NetworkDescription } from './description.js';
import type { Loss } from './loss.js';
import { lossScale } from './loss-scale.js';
import type { Optimizer } from './optimizer.js';
import { type NetworkPart, partParameters, partState } from './part.js';
import type { Ranks } from './ranks.js';

/** How a network stores what it computes. */
export const precisions = ['float32', 'mixed'] as const;
export type Precision = (typeof precisions)[number];

/** What a network's programs are recorded from. */
export interface ProgramOptions {
  /** Images a step. */
  readonly batch: number;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /**
   * `mixed`: activations, their gradients and what the layers read of the parameters are stored in 16 bits; the parameters
   * themselves, the optimizer's state and all sums in 32. Needs an adapter with the feature `shader-f16`. `float32` where it
   * is left out.
   */
  readonly precision?: Precision;
  /** False makes a network that can only be evaluated, and needs much less memory. */
  readonly training?: boolean;
  /**
   * How many batches one step learns from, one after another. Default: 1. Their gradients are added up before the parameters
   * follow them, so they make the same update as one batch of `microBatches * batch` images, to rounding.
   */
  readonly microBatches?: number;
  /**
   * Several processes that make each step together, each with `microBatches` batches of its own: they add up their gradients
   * and make the same update, that of one process with `size * microBatches` micro-batches. Default: this one alone.
   */
  readonly ranks?: Ranks | undefined;
}

/** Whether gradients are added up before the parameters follow them. */
export function addsUp({ microBatches = 1, ranks }: Pick<ProgramOptions, 'microBatches' | 'ranks'>): boolean {
  return microBatches * (ranks?.size ?? 1) > 1;
}

/** The tensors of a network that outlive a step. */
export interface NetworkTensors {
  readonly input: Tensor;
  readonly labels: Tensor;
  /** Rows of loss, top-1 error and top-5 error, `[3, N]`. */
  readonly measures: Tensor;
  readonly output: Tensor;
  readonly probabilities: Tensor;
  /** By dotted name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** What layers keep without learning it, by dotted name: `norm1.mean`. */
  readonly layerState: ReadonlyMap<string, Tensor>;
  /** What the last micro-batch made of it; none where a step has one. */
  readonly nextLayerState: ReadonlyMap<string, Tensor>;
  /** By dotted name and the optimizer's own: `conv1.weight.velocity`; in mixed precision the `lossScale` as well. */
  readonly state: ReadonlyMap<string, Tensor>;
  /** The sums of gradients over the micro-batches of a step, by dotted name; none where a step has one. */
  readonly gradients: ReadonlyMap<string, Tensor>;
}

/** Makes the tensors that outlive a step, by `createTensor` or a likeness of it. */
export function networkTensors(
  { input, output }: NetworkDescription,
  part: NetworkPart,
  options: ProgramOptions,
  make: (label: string, shape: Shape, options?: TensorOptions) => Tensor,
): NetworkTensors {
  const { batch, optimizer, precision, training = true } = options;
  const accumulates = training && addsUp(options);
  const parameters = new Map<string, Tensor>();
  const state = new Map<string, Tensor>();
  const gradients = new Map<string, Tensor>();
  const layerState = new Map<string, Tensor>();
  const nextLayerState = new Map<string, Tensor>();
  for (const { path, shape } of partParameters(part)) {
    parameters.set(path, make(path, shape));
    if (accumulates) gradients.set(path, make(`${path} gradient`, shape));
    for (const name of training ? optimizer.state : []) {
      state.set(`${path}.${name}`, make(`${path}.${name}`, shape));
    }
  }
  for (const { path, shape } of partState(part)) {
    layerState.set(path, make(path, shape));
    if (accumulates) nextLayerState.set(path, make(`${path} next`, shape));
  }
  if (training && precision === 'mixed') state.set(lossScale.name, make(lossScale.name, lossScale.shape));
  return {
    input: make('input', [part.images.count, ...input]),
    labels: make('labels', [batch], { dataType: 'u32' }),
    measures: make('measures', [3, batch]),
    output: make('output', [batch, ...output]),
    probabilities: make('probabilities', [batch, ...output]),
    parameters,
    layerState,
    nextLayerState,
    state,
    gradients,
  };
}

/** All of {@link NetworkTensors}, in a row. */
export function allTensors(tensors: NetworkTensors): Tensor[] {
  return Object.values(tensors).flatMap((one: Tensor | ReadonlyMap<string, Tensor>) =>
    one instanceof Map ? [...one.values()] : [one as Tensor],
  );
}
