import { ConfigError } from '../errors.js';
import { recordElementwise } from '../kernel/elementwise.js';
import { recordPerElement } from '../kernel/per-element.js';
import type { Recorder } from '../kernel/recorder.js';
import { bytesOf, type Tensor, type TensorOptions } from '../kernel/tensor.js';
import type { Shape } from '../shape.js';
import type { NetworkDescription } from './description.js';
import type { Loss, LossOutput } from './loss.js';
import type { MemoryPlan } from './network.js';
import type { LearnedParameter, Optimizer } from './optimizer.js';
import { recordBackward, recordForward } from './record.js';

/** What a network's programs are recorded from. */
export interface ProgramOptions {
  /** Images a step. */
  readonly batch: number;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** False makes a network that can only be evaluated, and needs much less memory. */
  readonly training?: boolean;
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
  /** By dotted name and the optimizer's own: `conv1.weight.velocity`. */
  readonly state: ReadonlyMap<string, Tensor>;
}

/** Makes the tensors that outlive a step, by `createTensor` or a likeness of it. */
export function networkTensors(
  description: NetworkDescription,
  { batch, optimizer, training = true }: ProgramOptions,
  make: (label: string, shape: Shape, options?: TensorOptions) => Tensor,
): NetworkTensors {
  const parameters = new Map<string, Tensor>();
  const state = new Map<string, Tensor>();
  for (const { path, shape } of learnedParameters(description)) {
    parameters.set(path, make(path, shape));
    for (const name of training ? optimizer.state : []) {
      state.set(`${path}.${name}`, make(`${path}.${name}`, shape));
    }
  }
  return {
    input: make('input', [batch, ...description.input]),
    labels: make('labels', [batch], { dataType: 'u32' }),
    measures: make('measures', [3, batch]),
    output: make('output', [batch, ...description.output]),
    probabilities: make('probabilities', [batch, ...description.output]),
    parameters,
    state,
  };
}

/** All of {@link NetworkTensors}, in a row. */
export function allTensors({ parameters, state, ...single }: NetworkTensors): Tensor[] {
  return [...Object.values(single), ...parameters.values(), ...state.values()];
}

export function learnedParameters(description: NetworkDescription): LearnedParameter[] {
  return description.layers.flatMap((layer) => layer.parameters);
}

/** Bytes of a network, given those of its programs' plan. */
export function memoryPlan(
  tensors: NetworkTensors,
  { plannedBytes, leastBytes }: { readonly plannedBytes: number; readonly leastBytes: number },
): MemoryPlan {
  const sum = (some: Iterable<Tensor>) => [...some].reduce((total, tensor) => total + bytesOf(tensor), 0);
  return {
    parameterBytes: sum(tensors.parameters.values()),
    stateBytes: sum(tensors.state.values()),
    activityBytes: plannedBytes,
    leastActivityBytes: leastBytes,
    totalBytes: sum(allTensors(tensors)) + plannedBytes,
  };
}

/** Records the forward pass, the loss, and copies of all results. */
export function recordEvaluation(
  recorder: Recorder,
  description: NetworkDescription,
  options: ProgramOptions,
  tensors: NetworkTensors,
): void {
  const forward = recordForward(recorder, description, tensors.input, tensors.parameters, false);
  const { output } = forward.at(-1)!;
  const loss = options.loss.record(recorder, { output, labels: tensors.labels, training: false });
  recordMeasures(recorder, loss, tensors);
  recordCopy(recorder, output, tensors.output);
  recordCopy(recorder, loss.probabilities, tensors.probabilities);
}

/** Records a step: forward, backward, and an update of each parameter as soon as nothing reads its value any more. */
export function recordTraining(
  recorder: Recorder,
  description: NetworkDescription,
  options: ProgramOptions,
  tensors: NetworkTensors,
): void {
  const { optimizer } = options;
  const byPath = new Map(learnedParameters(description).map((parameter) => [parameter.path, parameter]));
  const loss = recordGradients(recorder, description, options, tensors, (path, gradient) =>
    optimizer.record(recorder, {
      description: byPath.get(path)!,
      parameter: tensors.parameters.get(path)!,
      gradient,
      state: Object.fromEntries(optimizer.state.map((name) => [name, tensors.state.get(`${path}.${name}`)!])),
    }),
  );
  recordMeasures(recorder, loss, tensors);
}

/** Records forward and backward; `learn` is called with each parameter's gradient. */
export function recordGradients(
  recorder: Recorder,
  description: NetworkDescription,
  options: ProgramOptions,
  tensors: NetworkTensors,
  learn: (path: string, gradient: Tensor) => void,
): LossOutput {
  const forward = recordForward(recorder, description, tensors.input, tensors.parameters, true);
  const { output } = forward.at(-1)!;
  const loss = options.loss.record(recorder, { output, labels: tensors.labels, training: true });
  if (!loss.outputGradient) throw new ConfigError(`${options.loss.kind}: gave no gradient in training`);
  recordBackward(recorder, description, forward, loss.outputGradient, learn);
  return loss;
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

/** Records a copy of a tensor, in whatever types both are stored. */
export function recordCopy(recorder: Recorder, from: Tensor, to: Tensor): void {
  recordElementwise(recorder, {
    label: `${from.label}/copy`,
    elements: from.elements,
    reads: { x: from },
    writes: { y: to },
    body: 'y = x;',
  });
}
