import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { variants } from '@alex/model-alexnet';
import { sgd } from '@alex/optim';
import { ConfigError } from '@alex/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { defaultsOf, findRecipe, recipeNames } from './recipes.js';
import { describeModel } from './session.js';
import { runCommand, startCommand, untilMeasured } from './testing/command.js';
import { writeImages } from './testing/images.js';

const directory = temporaryFolder();
let images: string;
beforeAll(async () => {
  images = join(directory, 'images');
  await writeImages(images, ['blue', 'green', 'red']);
});

const train = (run: string, ...more: string[]) => ['train', '--data', images, '--run', run, ...more];
const small = ['--model', 'small', '--crop', '24', '--batch', '4'];
const configOf = async (run: string) => JSON.parse(await readFile(join(run, 'config.json'), 'utf8'));

describe('the built-in recipes', () => {
  it('exist for every network, some with several', () => {
    for (const { name } of variants) expect(defaultsOf(name).model.variant).toBe(name);
    expect(recipeNames).toEqual(
      expect.arrayContaining(['release-2010', 'six-conv-pretrain', 'six-conv-finetune', 'no-colour']),
    );
  });

  it.each(recipeNames)('%s names parameters and layers that its network has', async (name) => {
    const recipe = await findRecipe(name);
    const { layers } = describeModel(recipe.model);
    const parameters = layers.flatMap((layer) => layer.parameters);
    const rates = Object.fromEntries(Object.keys(recipe.schedules ?? {}).map((pattern) => [pattern, 0]));
    sgd({ overrides: recipe.overrides ?? {} }).scalars(recipe.learningRate, parameters, rates);
    const learned = layers.filter((layer) => layer.parameters.length > 0).map(({ layer }) => layer.name);
    for (const layer of recipe.startsFrom?.replaces ?? []) expect(layer).toBe(learned.at(-1));
  });

  it('follow the rates that the 2012 code logged', async () => {
    const { schedules, schedule, overrides, images, learningRate } = await findRecipe('release-2010');
    expect({ learningRate, schedule }).toEqual({
      learningRate: 0.01,
      schedule: {
        kind: 'table',
        factors: [
          [0, 1],
          [23, 0.1],
          [51, 0.01],
          [78, 0.001],
        ],
      },
    });
    expect(schedules!['conv1.weight']).toMatchObject({
      factors: expect.arrayContaining([
        [68, 0.001],
        [72, 0],
      ]),
    });
    expect([schedules!['*.bias'], overrides!['*.bias']]).toEqual([
      { kind: 'table', factors: [[0, 1]] },
      { learningRateScale: 2 },
    ]);
    expect(images.colourStrength).toEqual([
      [0, 0.1],
      [68, 0],
    ]);
  });

  it('are distinguished from files and other text', async () => {
    await expect(findRecipe('papr')).rejects.toThrow(ConfigError);
    await expect(findRecipe('papr')).rejects.toThrow(/no such recipe; give a file, or one of .*paper/);
    await expect(findRecipe('./papr.json')).rejects.toThrow(/could not be read/);
  });
});

describe('train', () => {
  it('reads a recipe from a file, starts from the weights of another run, and resumes with both', async () => {
    const [first, second] = [join(directory, 'first'), join(directory, 'second')];
    expect((await runCommand(train(first, ...small, '--steps', '2'))).code).toBe(0);
    const file = join(directory, 'mine.json');
    const recipe = {
      ...(await findRecipe('small')),
      model: { variant: 'small', inputSize: 24 },
      batch: 8,
      learningRate: 0.02,
      schedules: { '*.bias': { kind: 'step', factor: 1, epochs: [] } },
      startsFrom: { recipe: 'small', replaces: ['fc6'] },
    };
    await writeFile(file, JSON.stringify(recipe));
    const args = train(
      second,
      '--recipe',
      file,
      '--steps',
      '1',
      '--scale-rate',
      '--batch',
      '4',
      '--warm-up',
      '2',
      '--keep',
      '1',
    );
    const missing = await runCommand(args);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toMatch(/--from is missing.*give the run of small/);
    expect((await runCommand([...args, '--from', first])).code).toBe(0);
    expect((await configOf(second)).recipe).toMatchObject({
      batch: 4,
      learningRate: 0.01,
      schedules: recipe.schedules,
      warmUp: { epochs: 2, from: 1 },
      keepCheckpoints: 1,
      startsFrom: { weights: first, replaces: ['fc6'] },
    });
    const resumed = await runCommand([...args, '--from', first, '--resume']);
    expect(resumed.code).toBe(0);
    // What remains of a run that was killed before its first checkpoint.
    const learnt = await readFile(join(second, 'weights.safetensors'));
    for (const file of ['checkpoints', 'weights.safetensors', 'metrics.jsonl']) {
      await rm(join(second, file), { recursive: true });
    }
    await mkdir(join(second, 'checkpoints'));
    expect((await runCommand(['train', '--run', second, '--resume'])).code).toBe(0);
    expect((await readFile(join(second, 'weights.safetensors'))).equals(learnt)).toBe(true);

    await writeFile(file, JSON.stringify({ ...recipe, startsFrom: { recipe: 'small', replaces: ['fc9'] } }));
    const third = join(directory, 'third');
    const unknown = await runCommand([...train(third, '--recipe', file, '--steps', '1'), '--from', first]);
    expect(unknown.stderr).toMatch(/there is no layer fc9/);
    expect(existsSync(third)).toBe(false);
    await writeFile(file, JSON.stringify({ ...recipe, model: { variant: 'smal' } }));
    const misspelt = await runCommand(train(join(directory, 'misspelt'), '--recipe', file));
    expect(misspelt.stderr).toContain(`error: ${file}: model: variant: 'smal' is unknown; choose one of paper, `);
    await writeFile(file, JSON.stringify({ ...recipe, momentum: 1 }));
    const wrong = await runCommand(train(join(directory, 'wrong'), '--recipe', file));
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/^error: .*mine\.json: momentum: expected <1, got 1\n$/);
  });

  it('reports what fits in memory, and trains with that', async () => {
    const run = join(directory, 'narrow');
    const batch = ['--model', 'small', '--crop', '24', '--batch', '16', '--steps', '1', '--memory', '2.6MB'];
    const refused = await runCommand(train(run, ...batch));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /at a batch of 16 does not fit .* needs .* there are only 2.6 MB; the largest batch that fits is/,
    );
    const [, micro] = /--micro-batch (\d+) gives the same updates/.exec(refused.stderr) ?? [];
    expect(Number(micro)).toBeGreaterThan(0);
    expect((await runCommand(train(run, ...batch, '--micro-batch', micro!))).code).toBe(0);
    expect((await configOf(run)).recipe).toMatchObject({ batch: 16, microBatch: Number(micro) });
  });

  it.skipIf(process.platform === 'win32')('locks its directory, and saves when it is asked to end', async () => {
    const run = join(directory, 'alone');
    const running = startCommand(train(run, ...small, '--batch', '1', '--steps', '1000000', '--tune', 'off'));
    await untilMeasured(running, run);
    const second = await runCommand(train(run, ...small, '--batch', '1', '--resume'));
    expect(second.code).toBe(2);
    expect(second.stderr).toContain(`is being trained by another process (process ${running.process.pid} on `);
    running.process.kill('SIGTERM');
    expect((await running.ended).code).toBe(143);
    expect((await running.ended).stdout).toMatch(/everything is saved in/);
  });
});
