import type { Layer, LayerOptions } from '@alex/tensor';
import { type Epilogue, recordElementwise } from '@alex/tensor/kernels';

/** One function of one value, as WGSL. */
export interface ActivationFunction {
  readonly kind: string;
  /** An expression of `x: f32`, the input; must give NaN for NaN. */
  readonly value: string;
  /**
   * An expression of `g: f32`, the output's gradient, and `y: f32`, the output (and `x`, where `readsInput`): the
   * input's gradient. Of the output alone where the function allows, so that the output may take the input's memory.
   */
  readonly gradient: string;
  readonly readsInput?: boolean;
  /** The same as `value`, for the layer below to do. */
  readonly epilogue?: Epilogue;
  /** Functions that the expressions call. */
  readonly functions?: string;
}

/** A layer that applies one function to every value, of activations of any shape. */
export function activation(definition: ActivationFunction, options: LayerOptions): Layer {
  const { kind, readsInput = false, functions = '', epilogue } = definition;
  const name = options.name ?? kind;
  const layer: Layer = {
    kind,
    name,
    outputShape: (input) => input,
    parameters: () => [],
    multiplyAdds: () => 0,
    column: () => layer,
    ...(epilogue && { epilogue }),
    forward(recorder, { input }) {
      const output = recorder.activation(`${name}/output`, input.shape, { mayReuse: input });
      recordElementwise(recorder, {
        label: `${name}/forward`,
        elements: input.elements,
        reads: { x: input },
        writes: { y: output },
        functions,
        body: `y = ${definition.value};`,
      });
      return { output };
    },
    backward(recorder, { input, output, outputGradient, needsInputGradient }) {
      if (!needsInputGradient) return {};
      const inputGradient = recorder.activation(`${name}/inputGradient`, input.shape, { mayReuse: outputGradient });
      recordElementwise(recorder, {
        label: `${name}/backward`,
        elements: input.elements,
        reads: { ...(readsInput && { x: input }), y: output, g: outputGradient },
        writes: { inputGradient },
        functions,
        body: `inputGradient = ${definition.gradient};`,
      });
      return { inputGradient };
    },
  };
  return layer;
}
