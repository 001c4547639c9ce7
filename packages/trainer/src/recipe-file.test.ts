import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '@alex/tensor';
import { toJsonSchema } from '@valibot/to-json-schema';
import { expect, it } from 'vitest';
import { parseRecipe, type RecipeFile, readRecipe, recipeFileSchema } from './recipe-file.js';

const recipe: RecipeFile = {
  about: 'a test',
  model: { variant: 'small' },
  batch: 8,
  epochs: 3,
  learningRate: 0.1,
  schedule: { kind: 'step', factor: 0.1, epochs: [1, 2] },
  schedules: { 'conv1.weight': { kind: 'table', factors: [[0, 1]] } },
  momentum: 0.9,
  weightDecay: 0.0005,
  images: { crop: 'random', mirror: true, padding: 0, scale: 1, colourStrength: 0.1 },
};

it('is published as a JSON Schema', async () => {
  const schema = toJsonSchema(recipeFileSchema, { errorMode: 'ignore', typeMode: 'input' });
  const title = { ...schema, title: 'How a network of the AlexNet family is trained' };
  const published = await readFile(new URL('../recipe.schema.json', import.meta.url), 'utf8');
  expect(JSON.parse(published), `publish: ${JSON.stringify(title)}`).toEqual(JSON.parse(JSON.stringify(title)));
});

it('survives a round trip', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'alex-recipe-'));
  const file = join(directory, 'recipe.json');
  await writeFile(file, JSON.stringify(recipe));
  expect(await readRecipe(file)).toEqual(recipe);
  // As Windows editors write it.
  await writeFile(file, `\ufeff${JSON.stringify(recipe, undefined, 2).replaceAll('\n', '\r\n')}`);
  expect(await readRecipe(file)).toEqual(recipe);
  await expect(readRecipe(join(directory, 'none.json'))).rejects.toThrow(
    /none.json: could not be read: there is no such/,
  );
  await rm(directory, { recursive: true });
});

it.each<[string, object, RegExp]>([
  ['a missing value', { batch: undefined }, /batch is missing/],
  ['an unknown one', { batchSize: 3 }, /batchSize is unknown/],
  ['a wrong type', { batch: '8' }, /batch: expected number, got "8"/],
  ['too little', { epochs: 0 }, /epochs: expected >=1, got 0/],
  ['a part', { batch: 8.5 }, /batch: expected .*, got 8.5/],
  ['no divisor', { microBatch: 3 }, /microBatch: expected a divisor of the batch of 8, got 3/],
  ['an unknown schedule', { schedule: { kind: 'cosine' } }, /schedule.kind: expected .*"plateau".*, got "cosine"/],
  ['epochs that fall', { schedule: { kind: 'step', factor: 0.1, epochs: [2, 1] } }, /epochs must increase, got 2, 1/],
  ['a table that does not start at 0', { schedules: { a: { kind: 'table', factors: [[1, 1]] } } }, /must start at 0/],
  [
    'a rate of a layer',
    { overrides: { conv1: { learningRateScale: -1 } } },
    /overrides.conv1.learningRateScale: expected >=0, got -1/,
  ],
  [
    'a name of every object',
    { overrides: { constructor: { learningRateScale: 0 } } },
    /overrides.constructor is unknown/,
  ],
  ['a name of every object', { schedules: JSON.parse('{ "__proto__": {} }') }, /schedules.__proto__ is unknown/],
  [
    'a crop',
    { images: { ...recipe.images, crop: 'left' } },
    /images.crop: expected \("random" \| "centre"\), got "left"/,
  ],
])('is refused with the place, the value and what is allowed: %s', (_, change, message) => {
  const read = () => parseRecipe('my.json', JSON.stringify({ ...recipe, ...change }));
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(message);
  expect(read).toThrow(/^my\.json: /);
});

it('is refused if it is not JSON', () => {
  expect(() => parseRecipe('my.json', '{"batch": 8,}')).toThrow(/my.json: is not JSON: /);
});

it('has valid files for every published result', async () => {
  const folder = new URL('../../cli/recipes/', import.meta.url);
  const names = await readdir(folder);
  for (const name of names) {
    const read = parseRecipe(name, await readFile(new URL(name, folder), 'utf8'));
    expect(read.$schema).toBe('../../trainer/recipe.schema.json');
  }
  expect(names).toEqual(expect.arrayContaining(['paper.json', 'release-2012.json', 'six-conv-finetune.json']));
});
