import type { Recorder } from '../kernel/recorder.js';
import { bytesOf, type Tensor } from '../kernel/tensor.js';
import type { NetworkDescription } from './description.js';
import type { BackwardInput, ForwardOutput } from './layer.js';

/** Gives, by its dotted name, the tensor in which the layers read a parameter. */
export type ReadParameter = (path: string) => Tensor;

/** What the forward pass of each layer read and made, from the picture upwards. */
export interface ForwardRecord extends ForwardOutput {
  readonly input: Tensor;
  readonly parameters: Readonly<Record<string, Tensor>>;
}

/** Records the forward pass of every layer; where a layer can do what the one above it does, it does both at once. */
export function recordForward(
  recorder: Recorder,
  description: NetworkDescription,
  input: Tensor,
  readParameter: ReadParameter,
  training: boolean,
): ForwardRecord[] {
  let below = input;
  let done = false;
  return description.layers.map(({ layer, parameters: described }, index) => {
    const own = Object.fromEntries(described.map(({ name, path }) => [name, readParameter(path)]));
    const epilogue = layer.takesEpilogue && description.layers[index + 1]?.layer.epilogue;
    const result = done
      ? { output: below }
      : layer.forward(recorder, { input: below, parameters: own, training, ...(epilogue && { epilogue }) });
    const record = { ...result, input: below, parameters: own };
    below = result.output;
    done = epilogue !== undefined;
    return record;
  });
}

/** Takes the gradient of a parameter. */
export type Learn = (path: string, gradient: Tensor) => void;

/** A layer whose parameters' gradients are yet to be recorded. */
export interface Postponed {
  /** What they are made of. Where all of it is finite, so are they. */
  readonly reads: readonly Tensor[];
  record(learn: Learn): void;
}

/**
 * Records the backward pass from the top down to the lowest layer that learns. `learn` is called with each parameter's
 * gradient after the last reading of the parameter's value, so it may update it on the spot.
 *
 * `postpone`, where it is given, is called instead with each layer whose gradients are larger than what they are made of.
 */
export function recordBackward(
  recorder: Recorder,
  description: NetworkDescription,
  forward: readonly ForwardRecord[],
  lossGradient: Tensor,
  learn: Learn,
  postpone?: (layer: Postponed) => void,
): void {
  const lowest = description.layers.findIndex(({ parameters }) => parameters.length > 0);
  let outputGradient: Tensor | undefined = lossGradient;
  for (let index = description.layers.length - 1; index >= Math.max(0, lowest) && outputGradient; index--) {
    const { layer, parameters } = description.layers[index]!;
    const values: BackwardInput = { ...forward[index]!, outputGradient, needsInputGradient: index > lowest };
    const record = (values: BackwardInput, learn: Learn) => {
      const { inputGradient, parameterGradients } = layer.backward(recorder, values);
      for (const { name, path } of parameters) {
        const gradient = parameterGradients?.[name];
        if (gradient) learn(path, gradient);
      }
      return inputGradient;
    };
    if (postpone && isBetterPostponed(values)) {
      postpone({
        reads: [values.input, outputGradient],
        record: (learn) => record({ ...values, needsInputGradient: false }, learn),
      });
      outputGradient = record({ ...values, needsParameterGradients: false }, learn);
    } else {
      outputGradient = record(values, learn);
    }
  }
}

/**
 * Whether gradients of parameters take more memory than what they are made of. Only of f16 values: sums of their products
 * stay far within f32, so that finite ones give finite gradients.
 */
function isBetterPostponed({ input, outputGradient, parameters }: BackwardInput): boolean {
  if (input.dataType !== 'f16' || outputGradient.dataType !== 'f16') return false;
  const elements = Object.values(parameters).reduce((sum, parameter) => sum + parameter.elements, 0);
  return bytesOf({ elements, dataType: 'f32' }) > bytesOf(input) + bytesOf(outputGradient);
}
