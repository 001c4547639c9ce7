import { AlexError } from '../errors.js';
import type { Layer } from '../network/layer.js';
import { formatShape, type HostTensor, type Shape } from '../shape.js';
import type { RunLayerResult } from './run-layer.js';
import { relativeError } from './values.js';

export function expectShape(layer: Layer, what: string, got: HostTensor | undefined, shape: Shape): void {
  if (!got) throw new AlexError(`${layer.name}: returns no ${what}`);
  if (formatShape(got.shape) !== formatShape(shape)) {
    throw new AlexError(
      `${layer.name}: ${what} has the shape ${formatShape(got.shape)}, expected ${formatShape(shape)}`,
    );
  }
}

export function expectClose(
  layer: Layer,
  what: string,
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  most: number,
): void {
  const error = relativeError(got, want);
  if (!(error <= most)) {
    throw new AlexError(
      `${layer.name}: ${what} is off by ${error.toExponential(1)} of its largest value, but only ${most} is allowed`,
    );
  }
}

export function eachValue(
  one: RunLayerResult,
  other: RunLayerResult,
  compare: (what: string, one: HostTensor, other: HostTensor) => void,
): void {
  compare('output', one.output, other.output);
  if (one.inputGradient) compare('input gradient', one.inputGradient, other.inputGradient!);
  for (const [name, gradient] of Object.entries(one.parameterGradients ?? {})) {
    compare(`gradient of ${name}`, gradient, other.parameterGradients![name]!);
  }
}
