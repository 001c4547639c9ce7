import type { Layer, LayerOptions } from '@alex/tensor';
import { checkOptions, type Epilogue, elementwiseLayer, isNanWgsl } from '@alex/tensor/kernels';

const isNan = `
${isNanWgsl}
`;

// On some drivers, the built-in tanh loses all digits of small values; on others, it overflows for large ones. Below 1:
// the [5/4] Padé approximant, with a relative error of at most 6e-8. Above: one exponential, which no longer matters
// beyond 10.
const hyperbolicTangent = `
${isNan}
fn hyperbolicTangent(x: f32) -> f32 {
  if (isNan(x)) { return x; }
  let q = x * x;
  if (abs(x) < 1.0) {
    return x * (945.0 + q * (105.0 + q)) / (945.0 + q * (420.0 + q * 15.0));
  }
  return sign(x) * (1.0 - 2.0 / (exp(2.0 * min(abs(x), 10.0)) + 1.0));
}
`;

// The exponential of a negative number cannot overflow; beyond -104 it is 0 in float32.
const logisticFunction = `
${isNan}
fn logisticFunction(x: f32) -> f32 {
  if (isNan(x)) { return x; }
  let e = exp(-min(abs(x), 110.0));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}
`;

// Exactly the numbers from -0 down to minus infinity become 0; NaNs of either sign stay.
const rectified: Epilogue = {
  name: 'relu',
  wgsl: (x, width) =>
    width === 4
      ? `select(${x}, vec4f(), bitcast<vec4u>(${x}) - vec4u(0x80000000u) <= vec4u(0x7f800000u))`
      : `select(${x}, 0.0, bitcast<u32>(${x}) - 0x80000000u <= 0x7f800000u)`,
};

/**
 * Rectified linear units: `max(0, x)`, element by element, for activations of any shape. The input's gradient is the
 * output's gradient where the output is above 0, otherwise 0. It is 0 at an input of exactly 0, as in the 2012 code.
 *
 * NaN gives NaN. Works in place if nothing else reads the input.
 */
export function relu(options: LayerOptions = {}): Layer {
  checkOptions('relu', options, ['name']);
  return elementwiseLayer({
    ...options,
    kind: 'relu',
    value: rectified.wgsl('x', 1),
    epilogue: rectified,
    gradient: 'select(0.0, g, y > 0.0)',
  });
}

/**
 * Hyperbolic tangent, element by element, for activations of any shape: the saturating units that the paper compares
 * with (section 3.1). The relative error is at most 1e-6 for any input, on a driver with the accuracy that WGSL
 * requires.
 *
 * Infinities give -1 and 1, NaN gives NaN. Works in place if nothing else reads the input.
 */
export function tanh(options: LayerOptions = {}): Layer {
  checkOptions('tanh', options, ['name']);
  return elementwiseLayer({
    ...options,
    kind: 'tanh',
    value: 'hyperbolicTangent(x)',
    gradient: 'g * (1.0 - y) * (1.0 + y)',
    functions: hyperbolicTangent,
  });
}

/**
 * Logistic function: `1 / (1 + exp(-x))`, element by element, for activations of any shape.
 *
 * Infinities give 0 and 1, NaN gives NaN. Works in place if nothing else reads the input.
 */
export function logistic(options: LayerOptions = {}): Layer {
  checkOptions('logistic', options, ['name']);
  return elementwiseLayer({
    ...options,
    kind: 'logistic',
    value: 'logisticFunction(x)',
    gradient: 'g * y * (1.0 - y)',
    functions: logisticFunction,
  });
}

/**
 * Absolute value of the hyperbolic tangent: `|tanh(x)|`, element by element, for activations of any shape (Jarrett et
 * al., ICCV 2009, cited in section 3.1 of the paper). The gradient is 0 at an input of exactly 0.
 *
 * Infinities give 1, NaN gives NaN. The input is kept for the backward pass, which needs its sign.
 */
export function absTanh(options: LayerOptions = {}): Layer {
  checkOptions('absTanh', options, ['name']);
  return elementwiseLayer({
    ...options,
    kind: 'absTanh',
    value: 'abs(hyperbolicTangent(x))',
    gradient: 'g * sign(x) * (1.0 - y) * (1.0 + y)',
    functions: hyperbolicTangent,
  });
}

/** Passes its input through unchanged, and gradients too: linear units, for descriptions that require an activation. */
export function identity(options: LayerOptions = {}): Layer {
  checkOptions('identity', options, ['name']);
  const layer: Layer = {
    kind: 'identity',
    name: options.name ?? 'identity',
    outputShape: (input) => input,
    parameters: () => [],
    multiplyAdds: () => 0,
    column: () => layer,
    forward: (_, { input }) => ({ output: input }),
    backward: (_, { outputGradient, needsInputGradient }) =>
      needsInputGradient ? { inputGradient: outputGradient } : {},
  };
  return layer;
}
