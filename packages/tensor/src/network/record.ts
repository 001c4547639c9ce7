import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import type { NetworkDescription } from './description.js';
import type { ForwardOutput } from './layer.js';

/** Parameters of a network by dotted name. */
export type ParameterTensors = ReadonlyMap<string, Tensor>;

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
  parameters: ParameterTensors,
  training: boolean,
): ForwardRecord[] {
  let below = input;
  let done = false;
  return description.layers.map(({ layer, parameters: described }, index) => {
    const own = Object.fromEntries(described.map(({ name, path }) => [name, parameters.get(path)!]));
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

/**
 * Records the backward pass from the top down to the lowest layer that learns. `learn` is called with each parameter's
 * gradient after the last reading of the parameter's value, so it may update it on the spot.
 */
export function recordBackward(
  recorder: Recorder,
  description: NetworkDescription,
  forward: readonly ForwardRecord[],
  lossGradient: Tensor,
  learn: (path: string, gradient: Tensor) => void,
): void {
  const lowest = description.layers.findIndex(({ parameters }) => parameters.length > 0);
  let outputGradient: Tensor | undefined = lossGradient;
  for (let index = description.layers.length - 1; index >= Math.max(0, lowest) && outputGradient; index--) {
    const { layer, parameters } = description.layers[index]!;
    const result = layer.backward(recorder, {
      ...forward[index]!,
      outputGradient,
      needsInputGradient: index > lowest,
    });
    for (const { name, path } of parameters) {
      const gradient = result.parameterGradients?.[name];
      if (gradient) learn(path, gradient);
    }
    outputGradient = result.inputGradient;
  }
}
