import { ConfigError, type LayerOptions, type Shape, ShapeError } from '@alex/tensor';
import {
  checkOneOf,
  imageShape,
  outputSize,
  type Padding,
  type Pair,
  paddingOf,
  pair,
  type Rounding,
} from '@alex/tensor/kernels';

/** Options common to max and average pooling. */
export interface PoolOptions extends LayerOptions {
  /** Rows and columns of a window: a number or `[height, width]`. */
  readonly size: Pair;
  /** Steps between windows: a number or `[height, width]`. Default: the window's size. */
  readonly stride?: Pair;
  /**
   * Around the image: a number, `[height, width]` or `{ top, left, bottom, right }`, each less than `size`. Default: 0.
   */
  readonly padding?: Pair | Padding;
  /** Whether a last window that extends beyond the far border is omitted (`floor`, the default) or clipped (`ceil`). */
  readonly rounding?: Rounding;
}

/** Options after the check. */
export interface Pooling {
  readonly name: string;
  readonly size: readonly [height: number, width: number];
  readonly stride: readonly [height: number, width: number];
  readonly padding: Padding;
  readonly rounding: Rounding;
}

/** The names of all {@link PoolOptions}. */
export const poolOptionNames = ['name', 'size', 'stride', 'padding', 'rounding'] as const;

/** Throws a `ConfigError` that names the layer if an option is invalid. */
export function checkPooling(kind: string, options: PoolOptions): Pooling {
  const name = options.name ?? kind;
  const size = pair(name, 'size', options.size);
  const stride = pair(name, 'stride', options.stride ?? size);
  const padding = paddingOf(name, options.padding ?? 0);
  const rounding = options.rounding ?? 'floor';
  checkOneOf(name, 'rounding', rounding, ['floor', 'ceil']);
  const [height, width] = size;
  const { top, left, bottom, right } = padding;
  if (Math.max(top, bottom) >= height || Math.max(left, right) >= width) {
    throw new ConfigError(
      `${name}: padding must be less than the window of ${height} x ${width}, otherwise windows could be empty; got top ${top}, left ${left}, bottom ${bottom}, right ${right}`,
    );
  }
  return { name, size, stride, padding, rounding };
}

/** Throws a `ShapeError` if the input is not an image or no window fits. */
export function pooledShape({ name, size, stride, padding, rounding }: Pooling, input: Shape): Shape {
  const [images, channels, height, width] = imageShape(name, input);
  const { top, left, bottom, right } = padding;
  const outputHeight = outputSize(height, size[0], stride[0], top, bottom, rounding);
  const outputWidth = outputSize(width, size[1], stride[1], left, right, rounding);
  if (outputHeight < 1 || outputWidth < 1) {
    throw new ShapeError(
      `${name}: no window of ${size[0]} x ${size[1]} fits in ${height + top + bottom} x ${width + left + right} (the input of ${height} x ${width} with its padding); give a smaller size or a larger image`,
    );
  }
  return [images, channels, outputHeight, outputWidth];
}
