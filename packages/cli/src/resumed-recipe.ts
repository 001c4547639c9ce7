import { ConfigError } from '@alex/tensor';
import type { Recipe, RecipeFile, RunConfig } from '@alex/trainer';
import { findRecipe } from './recipes.js';
import type { TrainOptions } from './train-options.js';

/** The overrides in a run's recipe, except those from `--freeze`, which `--recipe` does not contain. */
function withoutFrozen(
  own: Recipe['overrides'] = {},
  given: Recipe['overrides'] = {},
): NonNullable<Recipe['overrides']> {
  const entries = Object.entries(own).flatMap(([pattern, override]) => {
    if (override.learningRateScale !== 0) return [[pattern, override] as const];
    return given[pattern] ? [[pattern, given[pattern]] as const] : [];
  });
  return Object.fromEntries(entries);
}

/**
 * Fields of a recipe that no option changes must be the same as when the run was started.
 *
 * @throws ConfigError that names the field that differs
 */
export async function checkRecipe(
  name: string,
  { model, recipe, images }: Pick<RunConfig, 'model' | 'recipe' | 'images'>,
) {
  const given = await findRecipe(name);
  const pairs: [string, unknown, unknown][] = [
    ['model.variant', given.model.variant, model.variant],
    ['momentum', given.momentum, recipe.momentum],
    ['weightDecay', given.weightDecay, recipe.weightDecay],
    ['overrides', given.overrides ?? {}, withoutFrozen(recipe.overrides, given.overrides)],
    ['schedules', given.schedules, recipe.schedules],
    ['images.padding', given.images.padding, images.padding],
    ['images.scale', given.images.scale, images.scale],
  ];
  for (const [field, there, own] of pairs) {
    if (JSON.stringify(there) === JSON.stringify(own)) continue;
    throw new ConfigError(
      `--recipe ${name}: its ${field} is ${JSON.stringify(there) ?? 'not given'}, but the run was started with ` +
        `${JSON.stringify(own) ?? 'none'}; omit it or choose another --run`,
    );
  }
}

/**
 * For fields that options may change, a resumed run keeps its own values, from its start or from later changes. Prints a line if
 * the recipe, which may have been edited since, has another value and no option decides.
 */
export function keptOfRecipe(
  name: string,
  given: RecipeFile,
  options: TrainOptions,
  { recipe, images }: RunConfig,
): string[] {
  const { replaces = [] } = given.startsFrom ?? {};
  const fields: [field: string, there: unknown, own: unknown, option: unknown][] = [
    ['batch', given.batch, recipe.batch, options.batch],
    ['learningRate', given.learningRate, recipe.learningRate, options.learningRate ?? options.scaleRate],
    ['schedule', given.schedule, recipe.schedule, options.schedule],
    ['warmUp', given.warmUp, recipe.warmUp, options.warmUp],
    ['images.crop', given.images.crop, images.crop, options.randomCrop ? undefined : false],
    ['images.mirror', given.images.mirror, images.mirror, options.mirror ? undefined : false],
    [
      'images.colourStrength',
      given.images.colourStrength,
      strengthOf(recipe, images),
      options.colour ? undefined : false,
    ],
    // The last layer may have been added, for other classes.
    [
      'startsFrom.replaces',
      replaces,
      recipe.startsFrom?.replaces.filter((layer) => replaces.includes(layer)) ?? [],
      undefined,
    ],
    // The run decides about fields that the recipe omits.
    ['microBatch', given.microBatch, given.microBatch && recipe.microBatch, options.microBatch],
    ['evaluateEvery', given.evaluateEvery, given.evaluateEvery && recipe.evaluateEvery, options.evaluateEvery],
    [
      'checkpointEvery',
      given.checkpointEvery,
      given.checkpointEvery && recipe.checkpointEvery,
      options.checkpointEvery,
    ],
    ['keepCheckpoints', given.keepCheckpoints, given.keepCheckpoints && recipe.keepCheckpoints, options.keep],
  ];
  return fields.flatMap(([field, there, own, option]) =>
    option !== undefined || JSON.stringify(there) === JSON.stringify(own)
      ? []
      : [
          `--recipe ${name}: its ${field} (${JSON.stringify(there) ?? 'none'}) is not used: ` +
            `the run continues with its own value, ${JSON.stringify(own) ?? 'none'}.`,
        ],
  );
}

function strengthOf(recipe: Recipe, { colour }: RunConfig['images']): unknown {
  return recipe.colourStrength ?? colour?.strength ?? 0;
}
