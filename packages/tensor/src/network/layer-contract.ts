// Compares what a layer returns with the contract: with a missing gradient, training would silently go wrong.
import { ConfigError, ShapeError } from '../errors.js';
import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';
import { formatShape, type Shape } from '../shape.js';
import type { BackwardInput, BackwardOutput, ForwardInput, ForwardOutput, Layer } from './layer.js';

/** A parameter, or a part of the state, as described by the layer. */
interface Described {
  readonly name: string;
  readonly shape: Shape;
}

/**
 * Records a layer's forward pass.
 *
 * @param state the layer's own, as described for this input
 * @throws ConfigError if the layer returns no output, or not exactly its state in training; ShapeError if one has the
 * wrong shape
 */
export function recordLayerForward(
  recorder: Recorder,
  layer: Layer,
  values: ForwardInput,
  state: readonly Described[] = [],
): ForwardOutput {
  const result = layer.forward(recorder, values) as Partial<ForwardOutput> | undefined;
  const { output } = result ?? {};
  const shape = layer.outputShape(values.input.shape);
  if (!output) {
    throw new ConfigError(
      `${layer.name}: forward returned no output; it must return { output }, of the shape ${formatShape(shape)}`,
    );
  }
  checkShape(`${layer.name}: forward returned an output`, output, shape, 'outputShape');
  if (values.training) {
    checkAll(layer.name, 'forward', 'the new state', result?.state ?? {}, state, 'state');
    for (const [name, { dataType }] of Object.entries(result?.state ?? {})) {
      if (dataType !== 'f32') {
        throw new ConfigError(
          `${layer.name}: forward returned the new state ${name} as ${dataType}; make it with recorder.tensor, as f32`,
        );
      }
    }
  }
  return { ...result, output };
}

/**
 * Records a layer's backward pass.
 *
 * @param parameters the layer's own, as described for this input
 * @throws ConfigError if the layer does not return the required gradients; ShapeError if one has the wrong shape
 */
export function recordLayerBackward(
  recorder: Recorder,
  layer: Layer,
  values: BackwardInput,
  parameters: readonly Described[],
): BackwardOutput {
  const result = (layer.backward(recorder, values) as BackwardOutput | undefined) ?? {};
  const { inputGradient, parameterGradients = {} } = result;
  if (values.needsInputGradient) {
    const { shape } = values.input;
    if (!inputGradient) {
      throw new ConfigError(
        `${layer.name}: backward returned no inputGradient although needsInputGradient was true; return it, of the shape ${formatShape(shape)}`,
      );
    }
    checkShape(`${layer.name}: backward returned an inputGradient`, inputGradient, shape, 'input');
  }
  if (values.needsParameterGradients ?? true) {
    const { updates = {} } = values;
    const done = Object.keys(updates).find((name) => name in parameterGradients);
    if (done !== undefined) {
      throw new ConfigError(
        `${layer.name}: backward returned the gradient of ${done}, although it was given its update; apply the update instead, or remove takesUpdates`,
      );
    }
    const needed = parameters.filter(({ name }) => !(name in updates));
    checkAll(layer.name, 'backward', 'the gradient of', parameterGradients, needed, 'parameters');
  }
  return result;
}

/** Compares tensors by name with their descriptions. */
function checkAll(
  layer: string,
  method: string,
  what: string,
  given: Readonly<Record<string, Tensor>>,
  described: readonly Described[],
  source: string,
): void {
  const known = described.map(({ name }) => name);
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const right = known.length > 0 ? `${source} describes ${known.join(', ')}` : `${source} describes none`;
    throw new ConfigError(`${layer}: ${method} returned ${what} ${unknown}; ${right}`);
  }
  for (const { name, shape } of described) {
    const tensor = given[name];
    if (!tensor) {
      throw new ConfigError(
        `${layer}: ${method} did not return ${what} ${name}; return it, of the shape ${formatShape(shape)}`,
      );
    }
    checkShape(`${layer}: ${method} returned ${what} ${name}`, tensor, shape, source);
  }
}

function checkShape(what: string, tensor: Tensor, shape: Shape, source: string): void {
  if (formatShape(tensor.shape) === formatShape(shape)) return;
  throw new ShapeError(
    `${what} of the shape ${formatShape(tensor.shape)}; by its ${source}, it must be ${formatShape(shape)}`,
  );
}
