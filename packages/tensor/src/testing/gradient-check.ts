import type { Gpu } from '../adapter/gpu.js';
import { AlexError } from '../errors.js';
import type { Layer } from '../network/layer.js';
import { streamOf, threefry2x32 } from '../random/threefry.js';
import { elementCount, formatShape, type HostTensor, type Shape } from '../shape.js';
import { type RunLayerOptions, runLayer } from './run-layer.js';
import { randomTensor } from './values.js';

/** Values to check a layer's gradients at. */
export interface GradientCase {
  /** The input, or its shape: `[N, C, H, W]` or `[N, F]`. A shape is filled with {@link separatedTensor}. */
  readonly input: HostTensor | Shape;
  /** By name. Default: separated values of about the size that the layer would draw. */
  readonly parameters?: Readonly<Record<string, HostTensor>>;
  /** Whether the layer is in training. Default: true. */
  readonly training?: boolean;
  /** Decides what is drawn, by the layer and here. Default: 0. */
  readonly seed?: number;
  /**
   * How far a slope may be from what backward gives, as a fraction of the gradient's norm. Default: 1e-3, far above float32's
   * rounding and far below what a wrong term makes.
   */
  readonly tolerance?: number;
}

/** How far off the worst direction was, of one gradient. */
export interface GradientError {
  /** `input`, or a parameter's name. */
  readonly of: string;
  /** |slope - gradient along the direction| / norm of the gradient. */
  readonly error: number;
}

/** Directions that the slope is measured along, for each input and parameter. */
const directions = 3;
const defaultTolerance = 1e-3;
/** Steps are no longer than this: central differences are off by the third derivative times its square. */
const longestStep = 1 / 64;
/** Values are this far apart at least, so that a step a quarter as long crosses no kink and reverses no maximum. */
const leastSpacing = 1 / 128;

/**
 * Values that no two of which are equal and none of which is zero, in random order, evenly spread from -2 to 2: steps
 * within a quarter of {@link spacingOf} cross neither a kink at 0 (ReLU) nor change which of them is the largest (max pooling).
 */
export function separatedTensor(shape: Shape, seed: number): HostTensor {
  const length = elementCount(shape);
  const spacing = spacingOf(length);
  const stream = streamOf('separated');
  const keys = Float64Array.from({ length }, (_, i) => threefry2x32(seed, stream, i, 0)[0] + i / length);
  const order = Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]!);
  const data = new Float32Array(length);
  // The half keeps every value off 0, for an odd number of them as well.
  const middle = Math.floor(length / 2) - 0.5;
  for (const [rank, index] of order.entries()) data[index] = (rank - middle) * spacing;
  return { shape: [...shape], data };
}

function spacingOf(length: number): number {
  return Math.max(4 / Math.max(1, length), leastSpacing);
}

/**
 * Holds what a layer's backward pass gives against slopes of its output: central differences of a random projection of
 * the output, along random directions, of the input and of each parameter. Inputs of a few hundred values are best.
 *
 * @returns how far off each gradient was, for each case
 * @throws AlexError that names the layer, the gradient, its worst value and what was measured there
 */
export async function gradientCheck(
  gpu: Gpu,
  layer: Layer,
  cases: readonly GradientCase[],
): Promise<GradientError[][]> {
  const errors: GradientError[][] = [];
  for (const one of cases) errors.push(await checkCase(gpu, layer, one));
  return errors;
}

async function checkCase(gpu: Gpu, layer: Layer, given: GradientCase): Promise<GradientError[]> {
  const { training = true, seed = 0, tolerance = defaultTolerance } = given;
  const input = 'data' in given.input ? given.input : separatedTensor(given.input, seed + 1);
  const parameters: Record<string, HostTensor> = { ...given.parameters };
  for (const [index, { name, shape, initial }] of layer.parameters(input.shape).entries()) {
    if (parameters[name]) continue;
    const drawn = separatedTensor(shape, seed + 2 + index);
    // Around a constant such as a scale of 1, or of about the size that is drawn; nothing so small that rounding shows.
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
    if (!gradient) throw new AlexError(`${layer.name}: backward gives no gradient of ${of}`);
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
    // Where the gradient is zero, so must the slope be.
    const error = Math.abs(slope - wanted) / (norm || 1);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

/** The slope of the projection along a direction, by what float32 makes of the steps. */
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

/** The least distance of two values or of one from 0, but no less than what float32 can measure a slope with. */
function smallestGap(data: Float32Array): number {
  const sorted = Float64Array.from(data, Math.abs).sort();
  let gap = sorted.length > 0 ? 2 * sorted[0]! : leastSpacing;
  const ordered = Float64Array.from(data).sort();
  for (let i = 1; i < ordered.length; i++) gap = Math.min(gap, ordered[i]! - ordered[i - 1]!);
  return Math.min(Math.max(gap, leastSpacing / 2), 1);
}

/** Finds the value whose gradient is off the most. */
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
    `${layer.name}: the gradient of ${of} is off by ${error.toExponential(1)} of its norm; the worst of it: at ` +
    `[${position}] backward gives ${gradient.data[worst.at]!.toPrecision(6)}, central differences ${worst.slope.toPrecision(6)}`
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
