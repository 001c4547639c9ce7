import { ConfigError, type LearnedParameter } from '@alex/tensor';
import { optionError } from '@alex/tensor/kernels';

/**
 * The patterns by which overrides and rates can name a parameter, the most specific first: its dotted name
 * (`conv1.weight`), its layer (`conv1`), its kind (`*.weight`). A parameter whose own name has dots, such as `k.weight`
 * of the layer `res`, has two kinds: `*.k.weight` and `*.weight`.
 */
export function patternsOf({ path, name }: LearnedParameter): string[] {
  const layer = path.slice(0, path.length - name.length - 1);
  return [...new Set([path, layer, `*.${name}`, `*.${name.slice(name.lastIndexOf('.') + 1)}`])];
}

/**
 * The learning rate of a parameter in a step: the most specific entry of `learningRates` for it, by its dotted name,
 * then its layer, then its kind; otherwise `learningRate`. Use it in the `scalars` of your own optimizer, so that
 * schedules for some of the parameters work as in `sgd`.
 */
export function resolveRate(
  parameter: LearnedParameter,
  learningRate: number,
  learningRates: Readonly<Record<string, number>> = {},
): number {
  const own = patternsOf(parameter).find((pattern) => learningRates[pattern] !== undefined);
  return own === undefined ? learningRate : learningRates[own]!;
}

/**
 * Overrides that freeze layers (`conv1`), single parameters (`conv1.weight`) or kinds (`*.bias`): they keep their
 * values exactly. Their gradients are still computed.
 *
 * ```ts
 * sgd({ overrides: { ...frozen('conv1', 'conv2'), '*.bias': { learningRateScale: 2 } } });
 * ```
 *
 * A more specific override takes precedence: one for `conv1.weight` lets that parameter learn although `conv1` is
 * frozen.
 */
export function frozen(...patterns: readonly string[]): Record<string, { readonly learningRateScale: 0 }> {
  return Object.fromEntries(patterns.map((pattern) => [pattern, { learningRateScale: 0 } as const]));
}

/** The scalar with a parameter's rate: an injective mapping of the path to a WGSL identifier. */
export function rateName({ path }: LearnedParameter): string {
  return 'rate_' + path.replace(/[^A-Za-z0-9]/gu, (character) => `_${character.codePointAt(0)!.toString(16)}_`);
}

/** @throws ConfigError unless overrides are an object of objects */
export function checkOverrides(optimizer: string, overrides: Readonly<Record<string, object>>): void {
  const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(overrides)) {
    throw optionError(optimizer, 'overrides', 'an object, such as { conv1: { learningRateScale: 0 } }', overrides);
  }
  for (const [pattern, override] of Object.entries(overrides)) {
    if (isObject(override)) continue;
    throw optionError(optimizer, `override '${pattern}'`, 'an object, such as { learningRateScale: 0 }', override);
  }
}

/** @throws ConfigError for a pattern that matches none of the parameters */
export function checkPatterns(
  optimizer: string,
  patterns: readonly string[],
  parameters: readonly LearnedParameter[],
): void {
  const known = new Set(parameters.flatMap(patternsOf));
  for (const pattern of patterns) {
    if (!known.has(pattern)) {
      throw new ConfigError(
        `${optimizer}: override '${pattern}' matches no parameter of this network; known: ${[...known].sort().join(', ')}`,
      );
    }
  }
}
