import type { NormOptions } from './options.js';

/** The constants of `y = x * s^-beta`, `s = k + alpha * (sum of squares)`, as the kernels use them. */
export interface Formula {
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
}

/** How many elements a window covers before and after its own element; an even window covers one more before it. */
export interface Reach {
  readonly before: number;
  readonly after: number;
}

/** The factor of the sum of squares. */
export function formulaOf({ size, alpha, beta, k, alphaPerElement, across }: NormOptions): Formula {
  const elements = across === 'maps' ? size : size * size;
  return { alpha: alphaPerElement ? alpha / elements : alpha, beta, k };
}

/**
 * The windows of cuda-convnet and PyTorch: `size` elements, from `i - floor(size / 2)`. They are clipped to an axis of
 * `length` elements, since everything beyond adds nothing.
 */
export function reachOf(size: number, length: number): Reach {
  const before = Math.floor(size / 2);
  const after = size - 1 - before;
  return { before: Math.min(before, length - 1), after: Math.min(after, length - 1) };
}

/** `power(s)`: `s^-beta`. `denominator(sum)`: `s`. Both take the type `Values`, element by element. */
export function formulaWgsl(formula: Formula): string {
  return `
fn power(s: Values) -> Values { ${powerWgsl(formula.beta)} }
fn denominator(sum: Values) -> Values { return ${float(formula.k)} + ${float(formula.alpha)} * sum; }`;
}

/** `2 * alpha * beta`, the factor of the sum over windows in the gradient. */
export function gradientFactor({ alpha, beta }: Formula): string {
  return float(2 * alpha * beta);
}

/**
 * Quarter powers come from square roots, which drivers round better than `pow`: with the paper's 0.75, the result is
 * accurate to a few units in the last place on any driver.
 */
function powerWgsl(beta: number): string {
  const quarters = 4 * beta;
  if (!Number.isInteger(quarters) || beta > 4) return `return pow(s, Values(${float(-beta)}));`;
  const roots = [...(quarters & 2 ? ['root'] : []), ...(quarters & 1 ? ['sqrt(root)'] : [])];
  // One division after another, so that a high power of a large number underflows to zero instead of overflowing.
  const divisors = Array.from({ length: Math.floor(beta) }, () => ' / s').join('');
  return `let root = sqrt(s); return Values(1.0) / (${roots.length > 0 ? roots.join(' * ') : '1.0'})${divisors};`;
}

/** A number as WGSL text, rounded to float32. */
function float(value: number): string {
  return `f32(${Math.fround(value)})`;
}
