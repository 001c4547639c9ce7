import { readFile } from 'node:fs/promises';
import { textOf } from '@alex/data';
import { ConfigError } from '@alex/tensor';
import * as v from 'valibot';
import { parseBy } from './config.js';
import { describeFileError } from './file.js';
import { Rates } from './rates.js';
import { notNegative, overrideSchema, positive, scheduleSchema, tableSchema, whole } from './recipe.js';

/**
 * The contents of a recipe file: how a network is trained, independent of the data. Published as `recipe.schema.json`.
 */
export const recipeFileSchema = v.strictObject({
  /** For editors, which use it to complete and check the file. */
  $schema: v.exactOptional(v.string()),
  /** What the recipe is for, and the source of its figures. */
  about: v.string(),
  model: v.strictObject({
    /** The name of the network, such as `paper`. */
    variant: v.string(),
    /** Height and width of the network's input, in pixels. Default: the network's own. */
    inputSize: v.exactOptional(whole(1)),
  }),
  /** Images per step. */
  batch: whole(1),
  /** Images per micro-batch, if a step consists of several: a divisor of `batch`. */
  microBatch: v.exactOptional(whole(1)),
  /** Passes over the training images. */
  epochs: whole(1),
  /** Initial value, before the schedule lowers it. */
  learningRate: notNegative,
  schedule: scheduleSchema,
  /**
   * Schedules of some parameters, by name (`conv1.weight`), layer (`conv1`) or kind (`*.bias`), instead of `schedule`.
   */
  schedules: v.exactOptional(v.record(v.string(), scheduleSchema)),
  /** Over the first epochs, the rates rise from a fraction of their values. */
  warmUp: v.exactOptional(v.strictObject({ epochs: notNegative, from: v.pipe(notNegative, v.maxValue(1)) })),
  momentum: v.pipe(notNegative, v.ltValue(1)),
  weightDecay: notNegative,
  /** What differs for some parameters, by name, layer or kind. */
  overrides: v.exactOptional(v.record(v.string(), overrideSchema)),
  images: v.strictObject({
    crop: v.picklist(['random', 'centre']),
    mirror: v.boolean(),
    /** Width of the border of mean colour that crops may extend into, in pixels. */
    padding: whole(0),
    /** Divisor of the differences from the mean. */
    scale: positive,
    /** Standard deviation of the random colour shifts, 0 for none; or rows of an epoch and the value from then on. */
    colourStrength: v.union([notNegative, tableSchema]),
  }),
  /** For fine-tuning: the recipe of the run whose weights it starts from, and the layers that are reinitialized. */
  startsFrom: v.exactOptional(v.strictObject({ recipe: v.string(), replaces: v.array(v.string()) })),
  /** Steps between evaluations, and between checkpoints. Default: chosen by the size of the data. */
  evaluateEvery: v.exactOptional(whole(1)),
  checkpointEvery: v.exactOptional(whole(1)),
  /** How many of the newest checkpoints to keep, besides the best. */
  keepCheckpoints: v.exactOptional(whole(1)),
});

/** How a network is trained, independent of the data. */
export type RecipeFile = v.InferOutput<typeof recipeFileSchema>;

/**
 * Reads a recipe file.
 *
 * @throws ConfigError with the file, the place in it, its value and what is allowed
 */
export async function readRecipe(file: string): Promise<RecipeFile> {
  const content = await readFile(file).catch((error: unknown) => {
    throw new ConfigError(`${file}: could not be read: ${describeFileError(error)}`, { cause: error });
  });
  return parseRecipe(file, textOf(content));
}

/** Like {@link readRecipe}, for the file's text. */
export function parseRecipe(file: string, text: string): RecipeFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ConfigError(`${file}: is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const parsed = parseBy(recipeFileSchema, json);
  if ('wrong' in parsed) throw new ConfigError(`${file}: ${parsed.wrong}`);
  const recipe = parsed.output;
  const { batch, microBatch = batch } = recipe;
  if (batch % microBatch !== 0) {
    throw new ConfigError(`${file}: microBatch: expected a divisor of the batch of ${batch}, got ${microBatch}`);
  }
  try {
    // The fields of a schedule depend on each other, which its own package checks.
    new Rates({ ...recipe, ...colourTable(recipe) });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`${file}: ${error.message}`, { cause: error });
  }
  return recipe;
}

/** The colour shifts of a recipe in the form of a run's configuration: a table if they change. */
function colourTable({ images: { colourStrength } }: RecipeFile): { colourStrength?: [number, number][] } {
  return typeof colourStrength === 'number' ? {} : { colourStrength };
}
