import { ConfigError, type NetworkDescription } from '@alex/tensor';
import type { Recipe, RecipeFile } from '@alex/trainer';

/** The names from a list separated by commas. */
export function frozenNames({ freeze }: { readonly freeze?: string }): string[] {
  return (freeze ?? '').split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
}

/**
 * The overrides of a recipe, with the requested parameters frozen.
 *
 * @param options.freeze layers (`conv1`) or parameters (`conv1.weight`), separated by commas
 * @throws ConfigError for a name that the network does not have, or if everything would be frozen
 */
export function overridesOf(
  options: { readonly freeze?: string },
  { overrides }: Pick<RecipeFile, 'overrides'>,
  { layers }: NetworkDescription,
): Pick<Recipe, 'overrides'> {
  const names = frozenNames(options);
  if (options.freeze !== undefined && names.length === 0) {
    throw new ConfigError(`--freeze ${options.freeze}: names no layer; give names such as conv1,conv2`);
  }
  if (names.length === 0) return overrides ? { overrides } : {};
  const learned = layers.filter(({ parameters }) => parameters.length > 0);
  const frozen = names.flatMap((name) => {
    const found = learned.flatMap(({ layer, parameters }) =>
      parameters.filter(({ path }) => layer.name === name || path === name).map(({ path }) => path),
    );
    if (found.length > 0) return found;
    const there = learned.map(({ layer }) => layer.name).join(', ');
    throw new ConfigError(`--freeze ${name}: there is no layer with parameters of this name; choose from ${there}`);
  });
  if (learned.every(({ parameters }) => parameters.every(({ path }) => frozen.includes(path)))) {
    throw new ConfigError('--freeze: all layers are frozen, so nothing would learn; omit one');
  }
  // Under their full names, so that nothing that a recipe says about a layer or a kind takes precedence.
  const still = frozen.map((path) => [path, { ...overrides?.[path], learningRateScale: 0 }]);
  return { overrides: { ...overrides, ...Object.fromEntries(still) } };
}
