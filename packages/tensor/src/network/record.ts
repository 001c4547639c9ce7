import type { GradientEpilogue } from '../kernel/epilogue.js';
import type { GradientGather } from '../kernel/gradient-gather.js';
import type { Recorder } from '../kernel/recorder.js';
import { bytesOf, type Tensor } from '../kernel/tensor.js';
import type { Update } from '../kernel/update.js';
import type { BackwardInput, ForwardOutput, Layer } from './layer.js';
import { recordLayerBackward, recordLayerForward } from './layer-contract.js';
import type { ReadState } from './layer-state.js';
import type { NetworkPart, PartLayer } from './part.js';
import { recordSplitSum } from './split-sum.js';
import { recordGather, recordPadded, recordPiece, recordScatter, recordSum } from './spread.js';

/** Returns, by dotted name, the tensor from which a layer reads a parameter. */
export type ReadParameter = (path: string, layer: Layer) => Tensor;

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
    const own = Object.fromEntries(described.map(({ name, path }) => [name, readParameter(path, layer)]));
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

/** What to do with the gradients of parameters, by dotted name. */
export interface Learning {
  /** Processes a gradient. */
  learn(path: string, gradient: Tensor): void;
  /**
   * The update by a gradient, if the layer that computes the gradient may apply it immediately; then `learn` is not called
   * for it.
   */
  updateOf?(path: string): Update | undefined;
}

/** A layer whose parameter gradients have not been recorded yet. */
export interface Postponed {
  /** What they are computed from. If all of it is finite, so are they. */
  readonly reads: readonly Tensor[];
  record(learning: Learning): void;
}

/**
 * Records the backward pass from the top down to the lowest layer that learns. `learning` gets each parameter's gradient
 * after the last read of the parameter's value, so it may update it immediately. Gradients that the adapters add up come at
 * the end, since they are in transit while those of the layers below are computed. If a layer can apply the operation of the
 * one below, both are one dispatch.
 *
 * `postpone`, if given, is called instead for each layer whose gradients are larger than the tensors that they are
 * computed from.
 */
export function recordBackward(
  recorder: Recorder,
  part: NetworkPart,
  forward: readonly ForwardRecord[],
  lossGradient: Tensor,
  learning: Learning,
  postpone?: (layer: Postponed) => void,
): void {
  const lowest = part.layers.findIndex(({ parameters }) => parameters.length > 0);
  const travelling: (() => void)[] = [];
  let gradient: Tensor | undefined = lossGradient;
  let done = false;
  let gather: GradientGather | undefined;
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
    const values: BackwardInput = { ...record, outputGradient, firstImage, needsInputGradient, epilogue, gather };
    done = epilogue !== undefined;
    gather = needsInputGradient ? gatherForBelow(recorder, part.layers, index, values) : undefined;
    if (gather) {
      // Only the shape of the gradient exists then.
      gradient = recorder.activation(`${layer.name}/inputGradient`, record.input.shape);
      continue;
    }
    const backward = (values: BackwardInput, { learn, updateOf }: Learning) => {
      const updates = layer.takesUpdates && updateOf && updatesOf(parameters, updateOf);
      const { inputGradient, parameterGradients } = recordLayerBackward(
        recorder,
        layer,
        { ...values, updates },
        parameters,
      );
      for (const { name, path } of parameters) {
        const gradient = parameterGradients?.[name];
        if (gradient) learn(path, gradient);
      }
      return inputGradient;
    };
    const learningSums: Learning = {
      learn(path, gradient) {
        const label = `${layer.name}/${path.slice(layer.name.length + 1)}Gradient`;
        const sum = recordSum(recorder, label, gradient, part);
        travelling.push(() => learning.learn(path, sum()));
      },
    };
    const learningOwn = sums ? learningSums : learning;
    const later = postpone && !sums && isBetterPostponed(values) ? postpone : undefined;
    if (!later && !gathers) {
      gradient = backward(values, learningOwn);
      continue;
    }
    // Values for other adapters come first, and are in transit while the rest is computed.
    const inputGradient = values.needsInputGradient
      ? backward({ ...values, needsParameterGradients: false }, learning)
      : undefined;
    const arrived =
      gathers && inputGradient
        ? recordScatter(recorder, `${layer.name}/inputGradient`, inputGradient, gathers, part.index)
        : () => inputGradient;
    const recordRest = (learning: Learning) => backward({ ...values, needsInputGradient: false }, learning);
    if (later) later({ reads: [values.input, outputGradient], record: recordRest });
    else if (parameters.length > 0) recordRest(learningOwn);
    gradient = arrived();
  }
  for (const arrive of travelling) arrive();
}

/** The updates of a layer's parameters, by name. */
function updatesOf(
  parameters: PartLayer['parameters'],
  updateOf: NonNullable<Learning['updateOf']>,
): Record<string, Update> {
  return Object.fromEntries(
    parameters.flatMap(({ name, path }) => {
      const update = updateOf(path);
      return update ? [[name, update] as const] : [];
    }),
  );
}

/** The backward operation of the layer below, if the layer `index` can apply it: its input is that layer's output. */
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
 * How the layer `index` computes the gradient of its input, if the layer below can do it. Only on GPUs, which are bound by
 * memory: on software drivers, values that are computed more than once are expensive.
 */
function gatherForBelow(
  { gpu }: Recorder,
  layers: readonly PartLayer[],
  index: number,
  values: BackwardInput,
): GradientGather | undefined {
  const [below, own] = [layers[index - 1], layers[index]!];
  if (gpu.description.kind !== 'hardware' || !below || own.gathers || below.spreads) return undefined;
  // Other operations of the layer would be lost.
  if (values.epilogue || values.gather || own.parameters.length > 0) return undefined;
  return below.layer.takesGather?.(values.input.shape) ? own.layer.gather?.(values) : undefined;
}

/**
 * Whether gradients of parameters take more memory than the tensors that they are computed from. Only for f16 values: sums
 * of their products stay far within f32, so finite values give finite gradients.
 */
function isBetterPostponed({ input, outputGradient, parameters }: BackwardInput): boolean {
  if (input.dataType !== 'f16' || outputGradient.dataType !== 'f16') return false;
  const elements = Object.values(parameters).reduce((sum, parameter) => sum + parameter.elements, 0);
  return bytesOf({ elements, dataType: 'f32' }) > bytesOf(input) + bytesOf(outputGradient);
}
