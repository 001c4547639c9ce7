import type { Tensor, TensorOptions } from '../kernel/tensor.js';
import type { Shape } from '../shape.js';
import type { NetworkDescription } from './description.js';
import type { Loss } from './loss.js';
import { lossScale } from './loss-scale.js';
import type { Optimizer } from './optimizer.js';
import { type NetworkPart, partParameters, partState } from './part.js';
import type { Ranks } from './ranks.js';

/** How a network stores its values. */
export const precisions = ['float32', 'mixed'] as const;
export type Precision = (typeof precisions)[number];

/** Options from which a network's programs are recorded. */
export interface ProgramOptions {
  /** Images per step. */
  readonly batch: number;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /**
   * `mixed`: activations, their gradients and the layers' copies of the parameters are stored in 16 bits; the
   * parameters themselves, the optimizer's state and all sums in 32. Needs an adapter with the feature `shader-f16`.
   * Default: `float32`.
   */
  readonly precision?: Precision;
  /** False creates a network for evaluation only, which needs much less memory. */
  readonly training?: boolean;
  /**
   * Number of batches per step, computed one after another. Default: 1. Their gradients are added before the parameters
   * are updated, so the update is that of one batch of `microBatches * batch` images, up to rounding.
   */
  readonly microBatches?: number;
  /**
   * Several processes that compute each step together, each with its own `microBatches` batches: they add up their gradients
   * and make the same update as one process with `size * microBatches` micro-batches. Default: only this process.
   */
  readonly ranks?: Ranks | undefined;
}

/** Whether gradients are accumulated before the parameters are updated. */
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
  /** Values that layers keep without learning them, by dotted name: `norm1.mean`. */
  readonly layerState: ReadonlyMap<string, Tensor>;
  /** Their values after the last micro-batch; empty if a step has only one. */
  readonly nextLayerState: ReadonlyMap<string, Tensor>;
  /** By dotted name and the optimizer's own: `conv1.weight.velocity`; in mixed precision also `lossScale`. */
  readonly state: ReadonlyMap<string, Tensor>;
  /** The sums of gradients over the micro-batches of a step, by dotted name; empty if a step has only one. */
  readonly gradients: ReadonlyMap<string, Tensor>;
}

/** Creates the tensors that outlive a step, with `createTensor` or an equivalent. */
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

/** All {@link NetworkTensors} as a list. */
export function allTensors(tensors: NetworkTensors): Tensor[] {
  return Object.values(tensors).flatMap((one: Tensor | ReadonlyMap<string, Tensor>) =>
    one instanceof Map ? [...one.values()] : [one as Tensor],
  );
}
