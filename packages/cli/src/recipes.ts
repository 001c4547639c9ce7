import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AlexError, ConfigError } from '@alex/tensor';
import { parseRecipe, type RecipeFile, readRecipe } from '@alex/trainer';
import { describeModel } from './session.js';

/** The recipes included with the command, one for each published result. */
const folder = new URL('../recipes/', import.meta.url);
const ending = '.json';

/** The names of the recipes included with the command. */
export const recipeNames: readonly string[] = readdirSync(folder)
  .filter((file) => file.endsWith(ending))
  .map((file) => file.slice(0, -ending.length))
  .sort();

/**
 * A recipe by name, or from a file.
 *
 * @throws ConfigError if there is none, or the file is not a recipe
 */
export async function findRecipe(nameOrFile: string): Promise<RecipeFile> {
  if (recipeNames.includes(nameOrFile)) return recipeOf(nameOrFile);
  if (/[./\\]/.test(nameOrFile)) return readOwnRecipe(nameOrFile);
  throw new ConfigError(
    `--recipe ${nameOrFile}: there is no such recipe; give a file, or one of ${recipeNames.join(', ')}`,
  );
}

async function readOwnRecipe(file: string): Promise<RecipeFile> {
  const recipe = await readRecipe(file);
  try {
    describeModel(recipe.model);
  } catch (error) {
    if (!(error instanceof AlexError)) throw error;
    throw new ConfigError(`${file}: model: ${error.message}`, { cause: error });
  }
  return recipe;
}

/** The recipe of a network; the paper's for a network without its own. */
export function defaultsOf(variant: string): RecipeFile {
  return recipeOf(recipeNames.includes(variant) ? variant : 'paper');
}

function recipeOf(name: string): RecipeFile {
  const file = fileURLToPath(new URL(name + ending, folder));
  return parseRecipe(file, readFileSync(file, 'utf8'));
}
