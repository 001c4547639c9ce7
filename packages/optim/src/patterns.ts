import { ConfigError, type LearnedParameter } from '@alex/tensor';

/**
 * The ways in which overrides and rates can name a parameter, nearest first: its dotted name (`conv1.weight`), its layer
 * (`conv1`), its kind (`*.weight`). A parameter whose own name has dots, such as `k.weight` of the layer `res`, has two kinds:
 * `*.k.weight` and `*.weight`.
 */
export function patternsOf({ path, name }: LearnedParameter): string[] {
  const layer = path.slice(0, path.length - name.length - 1);
  return [...new Set([path, layer, `*.${name}`, `*.${name.slice(name.lastIndexOf('.') + 1)}`])];
}

/**
 * The learning rate of a parameter in a step: the one of `learningRates` that names it most closely, by its dotted name, then its
 * layer, then its kind; otherwise `learningRate`. For `scalars` of optimizers of one's own, so that they follow schedules of
 * some parameters as `sgd` does.
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
 * Overrides that keep parameters exactly as they are: of layers (`conv1`), of single parameters (`conv1.weight`), of kinds
 * (`*.bias`). Their gradients are still computed.
 *
 * ```ts
 * sgd({ overrides: { ...frozen('conv1', 'conv2'), '*.bias': { learningRateScale: 2 } } });
 * ```
 *
 * A nearer override counts more: one for `conv1.weight` makes that parameter learn though `conv1` is frozen.
 */
export function frozen(...patterns: readonly string[]): Record<string, { readonly learningRateScale: 0 }> {
  return Object.fromEntries(patterns.map((pattern) => [pattern, { learningRateScale: 0 } as const]));
}

/** The scalar that holds a parameter's rate; unlike the path, a WGSL identifier. No two paths give the same. */
export function rateName({ path }: LearnedParameter): string {
  return 'rate_' + path.replace(/[^A-Za-z0-9]/gu, (character) => `_${character.codePointAt(0)!.toString(16)}_`);
}

/** @throws ConfigError for a pattern that names none of the parameters */
export function checkPatterns(
  optimizer: string,
  patterns: readonly string[],
  parameters: readonly LearnedParameter[],
): void {
  const known = new Set(parameters.flatMap(patternsOf));
  for (const pattern of patterns) {
    if (!known.has(pattern)) {
      throw new ConfigError(
        `${optimizer}: override '${pattern}' names no parameter of this network; known: ${[...known].sort().join(', ')}`,
      );
    }
  }
}
