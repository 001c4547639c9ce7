import { ConfigError } from '../errors.js';

/** A size along both axes of an image: one number for both, or `[height, width]`. */
export type Pair = number | readonly [height: number, width: number];

/** Rows and columns of zeros around an image. */
export interface Padding {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** What happens to a last window that does not fit completely: it is omitted, or it extends beyond the far border. */
export type Rounding = 'floor' | 'ceil';

/**
 * Reads an option that is a number or `[height, width]`.
 *
 * @param layer - the layer's name, for the error
 * @param option - the option's name, for the error
 * @param least - the smallest allowed value. Default: 1
 * @throws ConfigError unless all values are whole numbers of at least `least`
 */
export function pair(layer: string, option: string, value: Pair, least = 1): [height: number, width: number] {
  const numbers: readonly unknown[] = Array.isArray(value) ? value : [value, value];
  const [height, width] = numbers;
  if (numbers.length !== 2 || !isWhole(height, least) || !isWhole(width, least)) {
    throw new ConfigError(
      `${layer}: ${option} must be a whole number of at least ${least}, or [height, width] of two such numbers, got ${written(value)}`,
    );
  }
  return [height, width];
}

/**
 * Reads a padding: a number for all four sides, `[height, width]` for top and bottom, left and right, or every side by
 * name.
 *
 * @param layer - the layer's name, for the error
 * @throws ConfigError unless all values are whole numbers of at least 0
 */
export function paddingOf(layer: string, value: Pair | Padding): Padding {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const [height, width] = pair(layer, 'padding', value as Pair, 0);
    return { top: height, left: width, bottom: height, right: width };
  }
  const { top, left, bottom, right } = value as Padding;
  if (![top, left, bottom, right].every((side) => isWhole(side, 0))) {
    throw new ConfigError(
      `${layer}: padding must be a whole number of at least 0, [height, width], or { top, left, bottom, right } of such numbers, got ${written(value)}`,
    );
  }
  return { top, left, bottom, right };
}

/**
 * The number of windows along one axis. With `ceil`, a last window may extend beyond the far border if it starts inside
 * the input or its leading padding: the rule of Caffe, PyTorch and ONNX, and of cuda-convnet if windows overlap.
 *
 * @returns 0 if no window fits; the layer then throws a `ShapeError`
 */
export function outputSize(
  input: number,
  size: number,
  stride: number,
  padBefore: number,
  padAfter: number,
  rounding: Rounding = 'floor',
): number {
  const steps = (input + padBefore + padAfter - size) / stride;
  const windows = 1 + (rounding === 'ceil' ? Math.ceil(steps) : Math.floor(steps));
  const lastBeginsInside = (windows - 1) * stride < input + padBefore;
  return Math.max(0, rounding === 'ceil' && !lastBeginsInside ? windows - 1 : windows);
}

function isWhole(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

/** JSON, but with visible NaN and Infinity. */
function written(value: unknown): string {
  return (
    JSON.stringify(value, (_key, part: unknown) => (typeof part === 'number' ? `${part}` : part))?.replaceAll(
      '"',
      '',
    ) ?? String(value)
  );
}
