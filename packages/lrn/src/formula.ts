import type { NormOptions } from './options.js';

/** The numbers of `y = x * s^-beta`, `s = k + alpha * (sum of squares)`, as the kernels use them. */
export interface Formula {
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
}

/** How far a window reaches before and after its own element; an even one reaches further back. */
export interface Reach {
  readonly before: number;
  readonly after: number;
}

/** Alpha as the sum of squares is multiplied by it. */
export function formulaOf({ size, alpha, beta, k, alphaPerElement, across }: NormOptions): Formula {
  const elements = across === 'maps' ? size : size * size;
  return { alpha: alphaPerElement ? alpha / elements : alpha, beta, k };
}

/**
 * Windows of cuda-convnet and PyTorch: from `i - floor(size / 2)`, `size` elements long. What reaches beyond an axis of
 * `length` elements is cut off, since it adds nothing.
 */
export function reachOf(size: number, length: number): Reach {
  const before = Math.floor(size / 2);
  const after = size - 1 - before;
  return { before: Math.min(before, length - 1), after: Math.min(after, length - 1) };
}

/** `power(s)`: `s^-beta`. `denominator(sum)`: `s`. Of the type `Values`: each value by itself. */
export function formulaWgsl(formula: Formula): string {
  return `
fn power(s: Values) -> Values { ${powerWgsl(formula.beta)} }
fn denominator(sum: Values) -> Values { return ${float(formula.k)} + ${float(formula.alpha)} * sum; }`;
}

/** `2 * alpha * beta`, what the sum over windows in the gradient is multiplied by. */
export function gradientFactor({ alpha, beta }: Formula): string {
  return float(2 * alpha * beta);
}

/**
 * Quarters come from square roots, which drivers round better than `pow`: with the paper's 0.75 the result is exact to
 * a few units in the last place whatever the driver.
 */
function powerWgsl(beta: number): string {
  const quarters = 4 * beta;
  if (!Number.isInteger(quarters) || beta > 4) return `return pow(s, Values(${float(-beta)}));`;
  const roots = [...(quarters & 2 ? ['root'] : []), ...(quarters & 1 ? ['sqrt(root)'] : [])];
  // One division after another, so that a high power of a large number ends at zero instead of at infinity.
  const divisors = Array.from({ length: Math.floor(beta) }, () => ' / s').join('');
  return `let root = sqrt(s); return Values(1.0) / (${roots.length > 0 ? roots.join(' * ') : '1.0'})${divisors};`;
}

/** A number as WGSL text, rounded to float32. */
function float(value: number): string {
  return `f32(${Math.fround(value)})`;
}
