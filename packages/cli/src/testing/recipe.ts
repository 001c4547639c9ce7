import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Writes the recipe of `small` with a rate that does not depend on the number of steps, so that a run that ends early
 * is the same as a run of that length. Returns the file.
 */
export async function writeConstantRecipe(directory: string): Promise<string> {
  const file = join(directory, 'constant.json');
  const small = JSON.parse(await readFile(new URL('../../recipes/small.json', import.meta.url), 'utf8'));
  await writeFile(file, JSON.stringify({ ...small, schedule: { kind: 'table', factors: [[0, 1]] } }));
  return file;
}
