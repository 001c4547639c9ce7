import type { GradientEpilogue } from '../kernel/epilogue.js';
import type { Recorder } from '../kernel/recorder.js';
import { bytesOf, type Tensor } from '../kernel/tensor.js';
import type { BackwardInput, ForwardOutput } from './layer.js';
import { recordLayerBackward, recordLayerForward } from './layer-contract.js';
import type { ReadState } from './layer-state.js';
import type { NetworkPart, PartLayer } from './part.js';
import { recordSplitSum } from './split-sum.js';
import { recordGather, recordPadded, recordPiece, recordScatter, recordSum } from './spread.js';

/** Returns the tensor from which the layers read a parameter, by its dotted name. */
export type ReadParameter = (path: string) => Tensor;

/** The tensors of each layer's forward pass, from the image upwards. */
export interface ForwardRecord extends Omit<ForwardOutput, 'state'> {
  readonly input: Tensor;
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** Before the batch. */
  readonly state?: Readonly<Record<string, Tensor>>;
  readonly newState?: Readonly<Record<string, Tensor>>;
  /** The input of the layer above: the output, or the adapter's piece of it. */
  readonly above: Tensor;
}

/**
 * Records the forward pass of every layer. If a layer can apply the operation of the one above, both are one dispatch.
 */
export function recordForward(
  recorder: Recorder,
  part: NetworkPart,
  input: Tensor,
  readParameter: ReadParameter,
  readState: ReadState,
  training: boolean,
): ForwardRecord[] {
  let below = input;
  let done = false;
  return part.layers.map((partLayer, index) => {
    const { layer, parameters: described, state: describedState = [], spreads } = partLayer;
    const own = Object.fromEntries(described.map(({ name, path }) => [name, readParameter(path)]));
    const state =
      describedState.length > 0
        ? Object.fromEntries(describedState.map(({ name, path }) => [name, readState(path)]))
        : undefined;
    const next = part.layers[index + 1];
    // A layer that is fused away could not update its state.
    const epilogue = layer.takesEpilogue && !next?.state?.length ? next?.layer.epilogue : undefined;
    const record = (): ForwardOutput & { readonly input: Tensor } => {
      if (done) return { input: below, output: below };
      const options = { parameters: own, training, epilogue, ...(state && { state }) };
      if (partLayer.splits) return recordSplitSum(recorder, part, partLayer, below, options);
      const input = recordInput(recorder, part, partLayer, below);
      const values = { ...options, input, firstImage: firstImageOf(part, input) };
      return { input, ...recordLayerForward(recorder, layer, values, describedState) };
    };
    const { state: newState, ...result } = record();
    const above = spreads
      ? recordPiece(recorder, `${layer.name}/own`, result.output, spreads, part.index)
      : result.output;
    below = above;
    done = epilogue !== undefined;
    return { ...result, parameters: own, ...(state && { state }), ...(newState && { newState }), above };
  });
}

/** The input of a layer, from what the adapter has of the layer below. */
function recordInput(recorder: Recorder, part: NetworkPart, partLayer: PartLayer, below: Tensor): Tensor {
  const { layer, gathers, reads } = partLayer;
  const label = `${layer.name}/input`;
  if (gathers) return recordGather(recorder, label, below, gathers, part.index);
  if (!reads) return below;
  return recordPiece(recorder, label, below, { shape: below.shape, over: 'maps', ranges: [reads] }, 0);
}

/** An activation that does not contain the whole batch contains the adapter's images. */
function firstImageOf({ images }: NetworkPart, { shape }: Tensor): number {
  return shape[0] === images.count ? images.first : 0;
}

/** Receives the gradient of a parameter. */
export type Learn = (path: string, gradient: Tensor) => void;

/** A layer whose parameter gradients have not been recorded yet. */
export interface Postponed {
  /** What they are computed from. If all of it is finite, so are they. */
  readonly reads: readonly Tensor[];
  record(learn: Learn): void;
}

/**
 * Records the backward pass from the top down to the lowest layer that learns. `learn` is called with each parameter's
 * gradient after the last read of the parameter, so it may update it immediately. Gradients that the adapters sum come
 * at the end, since they are in transit while those of the layers below are computed. If a layer can apply the backward
 * pass of the one below, both are one dispatch.
 *
 * `postpone`, if given, is called instead for each layer whose gradients are larger than the tensors that they are
 * computed from.
 */
export function recordBackward(
  recorder: Recorder,
  part: NetworkPart,
  forward: readonly ForwardRecord[],
  lossGradient: Tensor,
  learn: Learn,
  postpone?: (layer: Postponed) => void,
): void {
  const lowest = part.layers.findIndex(({ parameters }) => parameters.length > 0);
  const travelling: (() => void)[] = [];
  let gradient: Tensor | undefined = lossGradient;
  let done = false;
  for (let index = part.layers.length - 1; index >= Math.max(0, lowest) && gradient; index--) {
    if (done) {
      done = false;
      continue;
    }
    const { layer, parameters, gathers, spreads, sums } = part.layers[index]!;
    const outputGradient: Tensor = spreads
      ? recordPadded(recorder, `${layer.name}/outputGradient`, gradient, spreads, part.index)
      : gradient;
    const record = forward[index]!;
    const firstImage = firstImageOf(part, record.input);
    const needsInputGradient = index > lowest;
    const epilogue = needsInputGradient ? epilogueFromBelow(part.layers, forward, index) : undefined;
    const values: BackwardInput = { ...record, outputGradient, firstImage, needsInputGradient, epilogue };
    done = epilogue !== undefined;
    const backward = (values: BackwardInput, learn: Learn) => {
      const { inputGradient, parameterGradients } = recordLayerBackward(recorder, layer, values, parameters);
      for (const { name, path } of parameters) {
        const gradient = parameterGradients?.[name];
        if (gradient) learn(path, gradient);
      }
      return inputGradient;
    };
    const learnSum: Learn = (path, gradient) => {
      const label = `${layer.name}/${path.slice(layer.name.length + 1)}Gradient`;
      const sum = recordSum(recorder, label, gradient, part);
      travelling.push(() => learn(path, sum()));
    };
    const learnOwn = sums ? learnSum : learn;
    const later = postpone && !sums && isBetterPostponed(values) ? postpone : undefined;
    if (!later && !gathers) {
      gradient = backward(values, learnOwn);
      continue;
    }
    // Values for other adapters come first, and are in transit while the rest is computed.
    const inputGradient = values.needsInputGradient
      ? backward({ ...values, needsParameterGradients: false }, learn)
      : undefined;
    const arrived =
      gathers && inputGradient
        ? recordScatter(recorder, `${layer.name}/inputGradient`, inputGradient, gathers, part.index)
        : () => inputGradient;
    const recordRest = (learn: Learn) => backward({ ...values, needsInputGradient: false }, learn);
    if (later) later({ reads: [values.input, outputGradient], record: recordRest });
    else if (parameters.length > 0) recordRest(learnOwn);
    gradient = arrived();
  }
  for (const arrive of travelling) arrive();
}

/** The backward pass of the layer below, if layer `index` can apply it: its input is the other layer's output. */
function epilogueFromBelow(
  layers: readonly PartLayer[],
  forward: readonly ForwardRecord[],
  index: number,
): GradientEpilogue | undefined {
  const [below, own] = [layers[index - 1], layers[index]!];
  if (!below || !own.layer.takesGradientEpilogue || own.gathers || below.gathers || below.spreads) return undefined;
  return forward[index]!.input === forward[index - 1]!.output ? below.layer.gradientEpilogue : undefined;
}

/**
 * Whether parameter gradients take more memory than the tensors that they are computed from. Only for f16 values: sums
 * of their products are far from overflowing f32, so finite values give finite gradients.
 */
function isBetterPostponed({ input, outputGradient, parameters }: BackwardInput): boolean {
  if (input.dataType !== 'f16' || outputGradient.dataType !== 'f16') return false;
  const elements = Object.values(parameters).reduce((sum, parameter) => sum + parameter.elements, 0);
  return bytesOf({ elements, dataType: 'f32' }) > bytesOf(input) + bytesOf(outputGradient);
}
