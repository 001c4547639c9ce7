import { ConfigError } from '../errors.js';
import { recordElementwise } from '../kernel/elementwise.js';
import type { Epilogue, GradientEpilogue } from '../kernel/epilogue.js';
import { checkOptions } from '../option-checks.js';
import type { Layer } from './layer.js';

/**
 * Options of a layer that applies one WGSL formula to every value. Give `derivative`, or `gradient` if it must be
 * exact.
 */
export interface ElementwiseLayerOptions {
  /** The kind of layer, such as `leakyRelu`. */
  readonly kind: string;
  /** The name of the layer in errors, labels and parameters. Default: the kind. */
  readonly name?: string | undefined;
  /** An `f32` expression of the input `x: f32`: `max(x, 0.01 * x)`. */
  readonly value: string;
  /**
   * An `f32` expression of the output `y: f32`, the input `x: f32`, or both: `select(0.01, 1.0, y > 0.0)`. Use only the
   * output if the formula allows it. The output may then overwrite the input, and the layers below and above may fuse
   * the formula and its gradient into their own kernels.
   */
  readonly derivative?: string;
  /**
   * The complete input gradient, instead of `derivative`: an expression of the output's gradient `g: f32` and of `y` or
   * `x`.
   */
  readonly gradient?: string;
  /** WGSL functions that the expressions call. A layer with functions is never fused into its neighbours. */
  readonly functions?: string;
  /**
   * How the layer below applies the formula. Default: `value`, element by element, if `derivative` needs only the
   * output.
   */
  readonly epilogue?: Epilogue;
}

/**
 * Creates an elementwise layer from a formula, for activations of any shape: forward, backward and, if the derivative
 * needs only the output, epilogues that save passes over memory.
 *
 * ```ts
 * const leakyRelu = elementwiseLayer({
 *   kind: 'leakyRelu',
 *   value: 'max(x, 0.01 * x)',
 *   derivative: 'select(0.01, 1.0, y > 0.0)',
 * });
 * ```
 *
 * @throws ConfigError if an option is unknown, neither or both of `derivative` and `gradient` are given, or an expression lacks a required
 * variable
 */
export function elementwiseLayer(options: ElementwiseLayerOptions): Layer {
  checkOptions(options?.name ?? options?.kind ?? 'elementwiseLayer', options, [
    'kind',
    'name',
    'value',
    'derivative',
    'gradient',
    'functions',
    'epilogue',
  ]);
  const { kind, value, functions = '' } = options;
  const name = options.name ?? kind;
  const gradient = gradientOf(name, options);
  const readsInput = mentions(gradient, 'x');
  const readsOutput = mentions(gradient, 'y');
  const epilogue = options.epilogue ?? (readsInput || functions !== '' ? undefined : epilogueOf(kind, value));
  const gradientEpilogue = readsInput || functions !== '' ? undefined : gradientEpilogueOf(kind, gradient);
  const layer: Layer = {
    kind,
    name,
    outputShape: (input) => input,
    parameters: () => [],
    multiplyAdds: () => 0,
    column: () => layer,
    ...(epilogue && { epilogue }),
    ...(gradientEpilogue && { gradientEpilogue }),
    forward(recorder, { input }) {
      const output = recorder.activation(`${name}/output`, input.shape, { mayReuse: input });
      recordElementwise(recorder, {
        label: `${name}/forward`,
        elements: input.elements,
        reads: { x: input },
        writes: { y: output },
        functions,
        body: `y = ${value};`,
      });
      return { output };
    },
    backward(recorder, { input, output, outputGradient, needsInputGradient }) {
      if (!needsInputGradient) return {};
      const inputGradient = recorder.activation(`${name}/inputGradient`, input.shape, { mayReuse: outputGradient });
      recordElementwise(recorder, {
        label: `${name}/backward`,
        elements: input.elements,
        reads: { ...(readsInput && { x: input }), ...(readsOutput && { y: output }), g: outputGradient },
        writes: { inputGradient },
        functions,
        body: `inputGradient = ${gradient};`,
      });
      return { inputGradient };
    },
  };
  return layer;
}

function gradientOf(name: string, { value, derivative, gradient }: ElementwiseLayerOptions): string {
  if ((derivative === undefined) === (gradient === undefined)) {
    throw new ConfigError(`${name}: give either derivative or gradient, a WGSL expression of y or x`);
  }
  if (typeof value !== 'string' || !mentions(value, 'x')) {
    throw new ConfigError(`${name}: value must be a WGSL expression of the input x, got ${value}`);
  }
  if (gradient !== undefined && !mentions(gradient, 'g')) {
    throw new ConfigError(`${name}: gradient must be a WGSL expression of the output's gradient g, got ${gradient}`);
  }
  return gradient ?? `g * (${derivative})`;
}

function epilogueOf(name: string, value: string): Epilogue {
  return { name, wgsl: (x, width) => eachOf(width, (part) => value.replaceAll(variable('x'), x + part)) };
}

function gradientEpilogueOf(name: string, gradient: string): GradientEpilogue {
  return {
    name,
    wgsl: (g, y, width) =>
      eachOf(width, (part) =>
        gradient.replaceAll(/(?<![.\w])[gy]\b/g, (variable) => (variable === 'g' ? g : y) + part),
      ),
  };
}

/**
 * Applies an expression to each component of a vector separately: an expression for an `f32` seldom works for a
 * `vec4f`.
 */
function eachOf(width: 1 | 4, expression: (part: string) => string): string {
  if (width === 1) return expression('');
  return `vec4f(${[...'xyzw'].map((component) => expression(`.${component}`)).join(', ')})`;
}

function mentions(expression: string, name: string): boolean {
  return variable(name).test(expression);
}

/** Matches a whole identifier: not part of another one, and not a component of a vector. */
function variable(name: string): RegExp {
  return new RegExp(`(?<![.\\w])${name}\\b`, 'g');
}
