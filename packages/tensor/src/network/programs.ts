import { ConfigError } from '../errors.js';
import { recordElementwise } from '../kernel/elementwise.js';
import { hasFewElements, joinKernels } from '../kernel/joined-kernels.js';
import { recordMoving } from '../kernel/moving-recorder.js';
import { recordPerElement } from '../kernel/per-element.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import { recordUpdate, type Update } from '../kernel/update.js';
import { microBatchState, type ReadState, recordStoredState } from './layer-state.js';
import { learner, onTheSpot } from './learner.js';
import type { LossOutput } from './loss.js';
import { lossScale, recordNextScale, recordScaled } from './loss-scale.js';
import type { NetworkTensors, Precision, ProgramOptions } from './network-tensors.js';
import type { NetworkPart } from './part.js';
import { type Learning, type Postponed, type ReadParameter, recordBackward, recordForward } from './record.js';
import { recordGather, recordPiece } from './spread.js';

/** Records the forward pass, the loss, and copies of all results. */
export function recordEvaluation(
  given: Recorder,
  part: NetworkPart,
  options: ProgramOptions,
  tensors: NetworkTensors,
): void {
  const recorder = recorderFor(given, options.precision);
  const output = recordScores(recorder, part, recordUpTo(given, part, options, tensors));
  const loss = options.loss.record(recorder, { output, labels: tensors.labels, training: false });
  recordMeasures(recorder, loss, tensors);
  recordCopy(recorder, output, tensors.output);
  recordCopy(recorder, loss.probabilities, tensors.probabilities);
}

/**
 * Records the forward pass of only the lowest layers of a part. Returns the adapter's piece of the last one's output.
 */
export function recordUpTo(
  given: Recorder,
  part: NetworkPart,
  options: ProgramOptions,
  tensors: NetworkTensors,
): Tensor {
  const recorder = recorderFor(given, options.precision);
  const readParameter = parameterReader(recorder, tensors, options);
  return recordForward(recorder, part, tensors.input, readParameter, storedState(tensors), false).at(-1)!.above;
}

/** Layers read the stored state directly. */
function storedState({ layerState }: NetworkTensors): ReadState {
  return (path) => layerState.get(path)!;
}

/** All scores on every adapter: each computes the loss of all images, which costs next to nothing. */
function recordScores(recorder: Recorder, { scores, index }: NetworkPart, own: Tensor): Tensor {
  return scores ? recordGather(recorder, 'loss/scores', own, scores, index) : own;
}

/** In mixed precision, activations are f16. */
export function recorderFor(recorder: Recorder, precision: Precision | undefined): Recorder {
  if (precision !== 'mixed') return recorder;
  return {
    ...recorder,
    activation: (label, shape, options) => recorder.tensor(label, shape, { ...options, dataType: 'f16' }),
  };
}

/**
 * Layers read the parameters themselves or, in mixed precision, f16 copies, which are made in each step because parameters
 * change: large ones just before they are read, small ones together at the beginning. If a layer reads a large parameter
 * only once per pass, a GPU, which is bound by memory, reads it directly.
 */
function parameterReader(
  recorder: Recorder,
  { parameters }: NetworkTensors,
  { precision }: ProgramOptions,
): ReadParameter {
  if (precision !== 'mixed') return (path) => parameters.get(path)!;
  const copy = (recorder: Recorder, path: string) => {
    const parameter = parameters.get(path)!;
    const half = recorder.tensor(`${path}/half`, parameter.shape, { dataType: 'f16' });
    recordCopy(recorder, parameter, half);
    return half;
  };
  const joining = joinKernels(recorder);
  const small = [...parameters].filter(([, parameter]) => hasFewElements(recorder, parameter));
  const copies = new Map(small.map(([path]) => [path, copy(joining, path)]));
  joining.recordJoined();
  const boundByMemory = recorder.gpu.description.kind === 'hardware';
  return (path, { readsParametersOnce }) => {
    const small = copies.get(path);
    if (small) return small;
    return boundByMemory && readsParametersOnce ? parameters.get(path)! : copy(recorder, path);
  };
}

/**
 * Records a step: forward, backward, and an update of each parameter as soon as nothing reads its old value any more.
 * With a loss scale, updates come last, because any gradient may cancel them. If a layer's gradients are larger than
 * the tensors that they are computed from, as in fully connected layers, they are computed last as well, one after
 * another.
 */
export function recordTraining(
  recorder: Recorder,
  part: NetworkPart,
  options: ProgramOptions,
  tensors: NetworkTensors,
): void {
  const record = (recorder: Recorder) => recordStep(recorder, part, options, tensors);
  // Software drivers launch kernels at no cost, and sends must stay early, because other adapters wait for them.
  if (recorder.gpu.description.kind === 'hardware' && part.count === 1) recordMoving(recorder, record);
  else record(recorder);
}

function recordStep(recorder: Recorder, part: NetworkPart, options: ProgramOptions, tensors: NetworkTensors): void {
  const joining = joinKernels(recorder);
  const learningBy = learner(joining, part, options, tensors);
  const scale = tensors.state.get(lossScale.name);
  if (!scale) {
    const { loss, newState } = recordGradients(recorder, part, options, tensors, learningBy());
    recordMeasures(joining, loss, tensors);
    joining.recordJoined();
    recordStoredState(recorder, part, newState, tensors);
    return;
  }
  const waiting: [path: string, gradient: Tensor][] = [];
  const postponed: Postponed[] = [];
  const { loss, newState } = recordGradients(
    recorder,
    part,
    options,
    tensors,
    { learn: (...learned) => waiting.push(learned) },
    (layer) => postponed.push(layer),
  );
  const decisive = [...waiting.map(([, gradient]) => gradient), ...postponed.flatMap(({ reads }) => reads)];
  const factor = recordNextScale(recorder, decisive, scale, part);
  const learning = learningBy(factor);
  for (const [path, gradient] of waiting) learning.learn(path, gradient);
  for (const layer of postponed) layer.record(learning);
  recordMeasures(joining, loss, tensors);
  joining.recordJoined();
  recordStoredState(recorder, part, newState, tensors, factor);
}

/**
 * Records forward and backward; `learning` gets each parameter's gradient, of the scaled loss if there is a scale.
 * `postpone`, if given, is called with layers whose gradients should be computed later. `newState` is the layers' new
 * state, by dotted name; nothing is stored.
 */
export function recordGradients(
  given: Recorder,
  part: NetworkPart,
  options: ProgramOptions,
  tensors: NetworkTensors,
  learning: Learning,
  postpone?: (layer: Postponed) => void,
  readState: ReadState = storedState(tensors),
): { readonly loss: LossOutput; readonly newState: ReadonlyMap<string, Tensor> } {
  const recorder = recorderFor(given, options.precision);
  const readParameter = parameterReader(recorder, tensors, options);
  const { input, labels } = recordOwnCopies(recorder, part, tensors);
  const forward = recordForward(recorder, part, input, readParameter, readState, true);
  const output = recordScores(recorder, part, forward.at(-1)!.above);
  const loss = options.loss.record(recorder, { output, labels, training: true });
  if (!loss.outputGradient) throw new ConfigError(`${options.loss.kind}: returned no gradient in training`);
  const scale = tensors.state.get(lossScale.name);
  const gradient = scale ? recordScaled(recorder, loss.outputGradient, scale) : loss.outputGradient;
  const own = part.scores ? recordPiece(recorder, 'loss/ownGradient', gradient, part.scores, part.index) : gradient;
  recordBackward(recorder, part, forward, own, learning, postpone);
  const newState = new Map<string, Tensor>();
  for (const [index, { state = [] }] of part.layers.entries()) {
    for (const { name, path } of state) newState.set(path, forward[index]!.newState![name]!);
  }
  return { loss, newState };
}

/**
 * A step that waits for another adapter is submitted in several pieces, and the next step's images may be written
 * before its last piece reads them. Such a step therefore begins with a copy.
 */
function recordOwnCopies(
  recorder: Recorder,
  { count }: NetworkPart,
  { input, labels }: NetworkTensors,
): Pick<NetworkTensors, 'input' | 'labels'> {
  if (count === 1) return { input, labels };
  const copied = (tensor: Tensor) => {
    const copy = recorder.tensor(`${tensor.label}/own`, tensor.shape, { dataType: tensor.dataType });
    recordCopy(recorder, tensor, copy);
    return copy;
  };
  return { input: copied(input), labels: copied(labels) };
}

/** The number of images of a step in lower ranks, before the first image of this process. */
export function imagesOfLowerRanks({ batch, microBatches = 1, ranks }: ProgramOptions): number {
  return (ranks?.rank ?? 0) * microBatches * batch;
}

/**
 * Records one micro-batch of a step: forward, backward, and the parameters' gradients added to those of the ones before.
 *
 * @param isLast whether it is the last of a step in this process: then each sum is sent to the other ranks, if there are
 * any, as soon as it is complete
 */
export function recordMicroBatch(
  recorder: Recorder,
  part: NetworkPart,
  options: ProgramOptions,
  tensors: NetworkTensors,
  isLast = true,
): void {
  const { microBatches = 1, batch, ranks } = options;
  const first = imagesOfLowerRanks(options);
  const last = first + (microBatches - 1) * batch;
  // The gradient is that of the micro-batch's mean. Sums over ranks are divided when they are complete.
  const divide = ranks ? '' : ` if (scalar_imagesBefore() == ${last}u) { sum *= f32(${1 / microBatches}); }`;
  const sends = ranks !== undefined && isLast;
  const send = (label: string, tensor: Tensor) => {
    if (sends) recorder.send({ label, peer: part.index, tensor });
  };
  const updateOf = (path: string): Update => {
    const sum = tensors.gradients.get(path)!;
    return {
      label: `${path}/accumulate`,
      tensors: { sum },
      scalars: { imagesBefore: 'u32' },
      // Before the first micro-batch, the sum may contain anything.
      body: `if (scalar_imagesBefore() == ${first}u) { sum = gradient; } else { sum += gradient; }${divide}`,
    };
  };
  const accumulate: Learning = {
    learn(path, gradient) {
      recordUpdate(recorder, gradient, updateOf(path));
      send(path, tensors.gradients.get(path)!);
    },
    // A sum that a layer updates itself could not be sent immediately afterwards.
    ...(!sends && onTheSpot(recorder, tensors, updateOf)),
  };
  const readState = microBatchState(recorder, tensors, first);
  const { loss, newState } = recordGradients(recorder, part, options, tensors, accumulate, undefined, readState);
  for (const [path, state] of newState) {
    const next = tensors.nextLayerState.get(path)!;
    recordCopy(recorder, state, next);
    send(path, next);
  }
  recordMeasures(recorder, loss, tensors);
}

/** Records the update of the parameters by the gradients of all micro-batches of a step, on all ranks. */
export function recordUpdates(
  recorder: Recorder,
  part: NetworkPart,
  options: ProgramOptions,
  tensors: NetworkTensors,
): void {
  if (options.ranks) {
    for (const [label, tensor] of [...tensors.gradients, ...tensors.nextLayerState]) {
      recorder.receive({ label, peer: part.index, tensor });
    }
  }
  const joining = joinKernels(recorder);
  const scale = tensors.state.get(lossScale.name);
  const factor = scale && recordNextScale(recorder, [...tensors.gradients.values()], scale, part);
  const { learn } = learner(joining, part, options, tensors)(factor);
  for (const [path, gradient] of tensors.gradients) learn(path, gradient);
  joining.recordJoined();
  recordStoredState(recorder, part, tensors.nextLayerState, tensors, factor);
}

function recordMeasures(
  recorder: Recorder,
  { loss, top1Error, top5Error }: LossOutput,
  { measures }: NetworkTensors,
): void {
  const images = loss.elements;
  recordPerElement(recorder, {
    label: 'loss/measures',
    elements: images,
    reads: { loss, top1Error, top5Error },
    writes: { measures },
    body: `
  store_measures(i, load_loss(i));
  store_measures(i + ${images}u, load_top1Error(i));
  store_measures(i + ${2 * images}u, load_top5Error(i));`,
  });
}

/** Records a copy of a tensor, with conversion between data types. */
export function recordCopy(recorder: Recorder, from: Tensor, to: Tensor): void {
  recordElementwise(recorder, {
    label: `${from.label}/copy`,
    elements: from.elements,
    reads: { x: from },
    writes: { y: to },
    body: 'y = x;',
  });
}
