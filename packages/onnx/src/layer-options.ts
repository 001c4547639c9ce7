import { ConfigError, type Layer } from '@alex/tensor';
import type { Padding, Rounding } from '@alex/tensor/kernels';

type Sizes = readonly [height: number, width: number];

interface WindowOptions {
  readonly kernel: Sizes;
  readonly stride: Sizes;
  readonly padding: Padding;
  readonly filters: number;
  readonly bias: boolean;
}

export interface PoolOptions {
  readonly size: Sizes;
  readonly stride: Sizes;
  readonly padding: Padding;
  readonly rounding: Rounding;
}

export interface NormOptions {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  readonly alphaPerElement: boolean;
  readonly across: 'maps' | 'space';
  readonly groups: number;
}

/** What layers say in their `options`, by their kind. */
export interface OptionsByKind {
  readonly conv2d: WindowOptions & { readonly groups: number };
  readonly local2d: WindowOptions;
  readonly dense: { readonly units: number; readonly bias: boolean };
  readonly localResponseNorm: NormOptions;
  readonly maxPool: PoolOptions;
  readonly averagePool: PoolOptions & { readonly countPadding: boolean };
  readonly dropout: { readonly probability: number; readonly inverted: boolean };
}

/**
 * The options of a layer of a kind.
 *
 * @throws ConfigError if the layer does not say them
 */
export function optionsOf<Kind extends keyof OptionsByKind>(layer: Layer, _kind: Kind): OptionsByKind[Kind] {
  if (layer.options) return layer.options as unknown as OptionsByKind[Kind];
  throw new ConfigError(
    `${layer.name}: a layer of the kind ${layer.kind} must say with which options it was made; give it \`options\``,
  );
}

/** The factor of the sum of squares: `alpha`, or its share for each element of the window. */
export function alphaOfSum({ size, alpha, alphaPerElement, across }: NormOptions): number {
  return alphaPerElement ? alpha / (across === 'maps' ? size : size * size) : alpha;
}
