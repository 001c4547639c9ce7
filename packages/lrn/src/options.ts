import type { LayerOptions } from '@alex/tensor';
import {
  checkBoolean,
  checkNotNegative,
  checkOneOf,
  checkOptions,
  checkPositive,
  checkWholeNumber,
} from '@alex/tensor/kernels';

/** Options of `localResponseNorm`. */
export interface LocalResponseNormOptions extends LayerOptions {
  /** Maps in a window or, with `across: 'space'`, its rows and columns. Default: 5 (section 3.3 of the paper). */
  readonly size?: number;
  /** Factor of the sum of squares. Default: 1e-4 (section 3.3 of the paper). */
  readonly alpha?: number;
  /** Exponent of the denominator. Default: 0.75 (section 3.3 of the paper). */
  readonly beta?: number;
  /** Constant term of the denominator. Default: 2 (section 3.3 of the paper). */
  readonly k?: number;
  /**
   * False, the default: alpha times the sum, the paper's formula as printed. True: alpha is divided by the number of
   * elements in a window (`size`, or `size * size` with `across: 'space'`), as in the 2012 code, Caffe, PyTorch and
   * ONNX.
   */
  readonly alphaPerElement?: boolean;
  /** `maps`: the same position in neighbouring maps. `space`: neighbouring positions in the same map. */
  readonly across?: 'maps' | 'space';
  /** Number of groups of neighbouring channels; windows across maps stay within a group. Default: 1. */
  readonly groups?: number;
}

/** Options after the check, with all defaults filled in. */
export interface NormOptions {
  readonly name: string;
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  readonly alphaPerElement: boolean;
  readonly across: 'maps' | 'space';
  readonly groups: number;
}

/** Fills in the defaults; throws a `ConfigError` that names the layer if a value is invalid. */
export function normOptions(options: LocalResponseNormOptions): NormOptions {
  checkOptions('localResponseNorm', options, [
    'name',
    'size',
    'alpha',
    'beta',
    'k',
    'alphaPerElement',
    'across',
    'groups',
  ]);
  const name = options.name ?? 'localResponseNorm';
  const checked: NormOptions = {
    name,
    size: options.size ?? 5,
    alpha: options.alpha ?? 1e-4,
    beta: options.beta ?? 0.75,
    k: options.k ?? 2,
    alphaPerElement: options.alphaPerElement ?? false,
    across: options.across ?? 'maps',
    groups: options.groups ?? 1,
  };
  for (const option of ['size', 'groups'] as const) checkWholeNumber(name, option, checked[option]);
  for (const option of ['alpha', 'beta'] as const) checkNotNegative(name, option, checked[option]);
  // With 0, a window of zeros, which is common after ReLU, would cause a division by zero.
  checkPositive(name, 'k', checked.k);
  checkBoolean(name, 'alphaPerElement', checked.alphaPerElement);
  checkOneOf(name, 'across', checked.across, ['maps', 'space']);
  return checked;
}
