import type { Gpu } from '../adapter/gpu.js';
import { AlexError } from '../errors.js';
import { checkLayer } from '../network/description.js';
import type { Layer } from '../network/layer.js';
import { checkArray, checkOptions } from '../option-checks.js';
import { streamOf, threefry2x32 } from '../random/threefry.js';
import { elementCount, formatShape, type HostTensor, type Shape } from '../shape.js';
import { type RunLayerOptions, runLayer } from './run-layer.js';
import { randomTensor } from './values.js';

/** Values at which to check a layer's gradients. */
export interface GradientCase {
  /** The input, or its shape: `[N, C, H, W]` or `[N, F]`. A shape is filled with {@link separatedTensor}. */
  readonly input: HostTensor | Shape;
  /** By name. Default: separated values of about the size of the layer's initial values. */
  readonly parameters?: Readonly<Record<string, HostTensor>>;
  /** Whether the layer is in training. Default: true. */
  readonly training?: boolean;
  /** Seed of the random values of the layer and of this check. Default: 0. */
  readonly seed?: number;
  /**
   * The largest allowed difference between a finite difference and the result of backward, as a fraction of the
   * gradient's norm. Default: 1e-3, far above float32's rounding and far below the effect of a wrong term.
   */
  readonly tolerance?: number;
}

/** The error of one gradient in the worst direction. */
export interface GradientError {
  /** `input`, or a parameter's name. */
  readonly of: string;
  /** |finite difference - gradient along the direction| / norm of the gradient. */
  readonly error: number;
}

/** Number of directions, for the input and each parameter. */
const directions = 3;
const defaultTolerance = 1e-3;
/** The longest step: the error of central differences is the third derivative times the square of the step. */
const longestStep = 1 / 64;
/** The smallest distance between values, so that a step a quarter as long crosses no kink and reverses no maximum. */
const leastSpacing = 1 / 128;

/**
 * Distinct non-zero values in random order, evenly spread from -2 to 2. Steps within a quarter of `spacingOf`
 * neither cross a kink at 0 (ReLU) nor change which value is the largest (max pooling).
 */
export function separatedTensor(shape: Shape, seed: number): HostTensor {
  const length = elementCount(shape);
  const spacing = spacingOf(length);
  const stream = streamOf('separated');
  const keys = Float64Array.from({ length }, (_, i) => threefry2x32(seed, stream, i, 0)[0] + i / length);
  const order = Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]!);
  const data = new Float32Array(length);
  // The half keeps every value away from 0, even for an odd number of them.
  const middle = Math.floor(length / 2) - 0.5;
  for (const [rank, index] of order.entries()) data[index] = (rank - middle) * spacing;
  return { shape: [...shape], data };
}

function spacingOf(length: number): number {
  return Math.max(4 / Math.max(1, length), leastSpacing);
}

/**
 * Compares a layer's backward pass with central differences of a random projection of the output, along random
 * directions, of the input and of each parameter. Inputs of a few hundred values work best.
 *
 * @returns the error of each gradient, for each case
 * @throws AlexError with the layer, the gradient, its worst value and the measured difference; ConfigError for an option of a case
 * that is none
 */
export async function gradientCheck(
  gpu: Gpu,
  layer: Layer,
  cases: readonly GradientCase[],
): Promise<GradientError[][]> {
  checkLayer('gradientCheck', layer);
  checkArray('gradientCheck', 'cases', cases);
  const errors: GradientError[][] = [];
  for (const one of cases) errors.push(await checkCase(gpu, layer, one));
  return errors;
}

async function checkCase(gpu: Gpu, layer: Layer, given: GradientCase): Promise<GradientError[]> {
  checkOptions(`${layer.name}: gradientCheck`, given, ['input', 'parameters', 'training', 'seed', 'tolerance']);
  const { training = true, seed = 0, tolerance = defaultTolerance } = given;
  const input = 'data' in given.input ? given.input : separatedTensor(given.input, seed + 1);
  const parameters: Record<string, HostTensor> = { ...given.parameters };
  for (const [index, { name, shape, initial }] of layer.parameters(input.shape).entries()) {
    if (parameters[name]) continue;
    const drawn = separatedTensor(shape, seed + 2 + index);
    // Around a constant such as a scale of 1, or of about the size of the initial values, but not so small that
    // rounding matters.
    const [center, size] = initial.distribution === 'constant' ? [initial.value, 0.25] : [0, 0.25];
    parameters[name] = { shape: [...shape], data: drawn.data.map((value) => center + size * value) };
  }
  const outputGradient = randomTensor(layer.outputShape(input.shape), seed + 100);
  const options: RunLayerOptions = { input, parameters, training, seed };
  const { inputGradient, parameterGradients = {} } = await runLayer(gpu, layer, { ...options, outputGradient });
  const projection = async (changed: RunLayerOptions) => {
    const { output } = await runLayer(gpu, layer, { ...options, ...changed });
    return output.data.reduce((sum, value, i) => sum + value * outputGradient.data[i]!, 0);
  };
  const checks: Check[] = [
    { of: 'input', values: input, gradient: inputGradient, change: (moved) => ({ input: moved }) },
  ];
  for (const [name, values] of Object.entries(parameters)) {
    const change = (moved: HostTensor) => ({ input, parameters: { ...parameters, [name]: moved } });
    checks.push({ of: name, values, gradient: parameterGradients[name], change });
  }
  const errors: GradientError[] = [];
  for (const check of checks) {
    const { of, values, gradient } = check;
    if (!gradient) throw new AlexError(`${layer.name}: backward returns no gradient of ${of}`);
    if (formatShape(gradient.shape) !== formatShape(values.shape)) {
      throw new AlexError(
        `${layer.name}: the gradient of ${of} has the shape ${formatShape(gradient.shape)}, ${of} has ${formatShape(values.shape)}`,
      );
    }
    const error = await worstDirection(check, gradient, seed, projection);
    if (!(error <= tolerance)) throw new AlexError(await complaint(layer, check, gradient, error, projection));
    errors.push({ of, error });
  }
  return errors;
}

interface Check {
  readonly of: string;
  readonly values: HostTensor;
  readonly gradient: HostTensor | undefined;
  readonly change: (moved: HostTensor) => RunLayerOptions;
}

type Projection = (changed: RunLayerOptions) => Promise<number>;

async function worstDirection(
  { values, change }: Check,
  { data: gradient }: HostTensor,
  seed: number,
  projection: Projection,
): Promise<number> {
  const norm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0));
  if (!Number.isFinite(norm)) return Number.POSITIVE_INFINITY;
  let worst = 0;
  const stream = streamOf('directions');
  for (let direction = 0; direction < directions; direction++) {
    const signs = Float32Array.from(values.data, (_, i) =>
      threefry2x32(seed + direction, stream, i, 0)[0] % 2 === 0 ? 1 : -1,
    );
    const slope = await slopeAlong(signs, values, change, projection);
    const wanted = gradient.reduce((sum, value, i) => sum + value * signs[i]!, 0);
    // If the gradient is zero, the finite difference must be zero too.
    const error = Math.abs(slope - wanted) / (norm || 1);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

/** The finite difference of the projection along a direction, with the steps as rounded to float32. */
async function slopeAlong(
  direction: Float32Array,
  { shape, data }: HostTensor,
  change: Check['change'],
  projection: Projection,
): Promise<number> {
  const step = Math.min(smallestGap(data) / 4, longestStep);
  const moved = (by: number) => ({ shape, data: data.map((value, i) => value + by * direction[i]!) });
  const [above, below] = [await projection(change(moved(step))), await projection(change(moved(-step)))];
  return (above - below) / (2 * step);
}

/**
 * The smallest distance between two values, or between one and 0, but at least what float32 needs for finite
 * differences.
 */
function smallestGap(data: Float32Array): number {
  const sorted = Float64Array.from(data, Math.abs).sort();
  let gap = sorted.length > 0 ? 2 * sorted[0]! : leastSpacing;
  const ordered = Float64Array.from(data).sort();
  for (let i = 1; i < ordered.length; i++) gap = Math.min(gap, ordered[i]! - ordered[i - 1]!);
  return Math.min(Math.max(gap, leastSpacing / 2), 1);
}

/** Finds the value with the largest gradient error. */
async function complaint(
  layer: Layer,
  { of, values, change }: Check,
  gradient: HostTensor,
  error: number,
  projection: Projection,
): Promise<string> {
  let worst = { at: 0, slope: 0, off: -1 };
  for (let at = 0; at < values.data.length; at++) {
    const slope = await slopeAlong(
      new Float32Array(values.data.length).fill(1, at, at + 1),
      values,
      change,
      projection,
    );
    const off = Math.abs(slope - gradient.data[at]!);
    if (!(off <= worst.off)) worst = { at, slope, off };
  }
  const position = positionOf(worst.at, values.shape).join(', ');
  return (
    `${layer.name}: the gradient of ${of} is off by ${error.toExponential(1)} of its norm; worst at ` +
    `[${position}] backward returns ${gradient.data[worst.at]!.toPrecision(6)}, central differences ${worst.slope.toPrecision(6)}`
  );
}

function positionOf(index: number, shape: Shape): number[] {
  let rest = index;
  return shape
    .toReversed()
    .map((size) => {
      const at = rest % size;
      rest = Math.floor(rest / size);
      return at;
    })
    .reverse();
}
