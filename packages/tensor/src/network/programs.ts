import { ConfigError } from '../errors.js';
import { recordPerElement } from '../kernel/per-element.js';
import type { Recorder } from '../kernel/recorder.js';
import type { DataType, Tensor } from '../kernel/tensor.js';
import type { Shape } from '../shape.js';
import type { NetworkDescription } from './description.js';
import type { Loss, LossOutput } from './loss.js';
import type { Optimizer } from './optimizer.js';
import { recordBackward, recordForward } from './record.js';

/** What a network's programs share and hand from step to step. */
export interface NetworkTensors {
  readonly input: Tensor;
  readonly labels: Tensor;
  /** Rows of loss, top-1 error and top-5 error, `[3, N]`. */
  readonly measures: Tensor;
  readonly output: Tensor;
  readonly probabilities: Tensor;
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** By dotted name and the optimizer's own: `conv1.weight.velocity`. */
  readonly state: ReadonlyMap<string, Tensor>;
}

/** How a network learns and is measured. */
export interface Method {
  readonly batch: number;
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  readonly training?: boolean;
}

/** Makes each tensor by `make`: with memory for a network that is to run, without for one that is only recorded. */
export function networkTensors(
  description: NetworkDescription,
  { batch, optimizer, training = true }: Method,
  make: (label: string, shape: Shape, dataType: DataType) => Tensor,
): NetworkTensors {
  const learned = description.layers.flatMap((layer) => layer.parameters);
  const states = training ? optimizer.state : [];
  return {
    input: make('input', [batch, ...description.input], 'f32'),
    labels: make('labels', [batch], 'u32'),
    measures: make('measures', [3, batch], 'f32'),
    output: make('output', [batch, ...description.output], 'f32'),
    probabilities: make('probabilities', [batch, ...description.output], 'f32'),
    parameters: new Map(learned.map(({ path, shape }) => [path, make(path, shape, 'f32')])),
    state: new Map(
      learned.flatMap(({ path, shape }) =>
        states.map((name) => [`${path}.${name}`, make(`${path}.${name}`, shape, 'f32')] as const),
      ),
    ),
  };
}

/** Records the forward pass with dropout off, and what is measured of it. */
export function recordEvaluation(
  recorder: Recorder,
  description: NetworkDescription,
  method: Method,
  tensors: NetworkTensors,
): void {
  const forward = recordForward(recorder, description, tensors.input, tensors.parameters, false);
  const { output } = forward.at(-1)!;
  const loss = method.loss.record(recorder, { output, labels: tensors.labels, training: false });
  recordMeasures(recorder, loss, tensors.measures, method.batch);
  recordCopy(recorder, output, tensors.output);
  recordCopy(recorder, loss.probabilities, tensors.probabilities);
}

/** Records a step of training: forward, backward, and every parameter updated. */
export function recordTraining(
  recorder: Recorder,
  description: NetworkDescription,
  method: Method,
  tensors: NetworkTensors,
): void {
  const { optimizer, batch } = method;
  const learned = new Map(
    description.layers.flatMap(({ parameters }) => parameters).map((parameter) => [parameter.path, parameter]),
  );
  const loss = recordGradients(recorder, description, method, tensors, (path, gradient) => {
    optimizer.record(recorder, {
      description: learned.get(path)!,
      parameter: tensors.parameters.get(path)!,
      gradient,
      state: Object.fromEntries(optimizer.state.map((name) => [name, tensors.state.get(`${path}.${name}`)!])),
    });
  });
  recordMeasures(recorder, loss, tensors.measures, batch);
}

/** Records forward and backward passes with dropout on; `learn` is called with each parameter's gradient. */
export function recordGradients(
  recorder: Recorder,
  description: NetworkDescription,
  { loss }: Method,
  tensors: NetworkTensors,
  learn: (path: string, gradient: Tensor) => void,
): LossOutput {
  const forward = recordForward(recorder, description, tensors.input, tensors.parameters, true);
  const { output } = forward.at(-1)!;
  const measured = loss.record(recorder, { output, labels: tensors.labels, training: true });
  if (!measured.outputGradient) throw new ConfigError(`${loss.kind}: gave no gradient in training`);
  recordBackward(recorder, description, forward, measured.outputGradient, learn);
  return measured;
}

function recordMeasures(
  recorder: Recorder,
  { loss, top1Error, top5Error }: LossOutput,
  measures: Tensor,
  batch: number,
): void {
  recordPerElement(recorder, {
    label: 'loss/measures',
    elements: batch,
    reads: { loss, top1Error, top5Error },
    writes: { measures },
    body: `
  store_measures(i, load_loss(i));
  store_measures(i + ${batch}u, load_top1Error(i));
  store_measures(i + ${2 * batch}u, load_top5Error(i));`,
  });
}

export function recordCopy(recorder: Recorder, from: Tensor, to: Tensor): void {
  recordPerElement(recorder, {
    label: `${from.label}/copy`,
    elements: from.elements,
    reads: { from },
    writes: { to },
    body: '  store_to(i, load_from(i));',
  });
}
