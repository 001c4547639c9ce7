import { join } from 'node:path';
import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { CheckpointError, ConfigError, type Gpu } from '@alex/tensor';
import { testGpu } from '@alex/tensor/testing';
import { beforeAll, expect, it } from 'vitest';
import { runExamples } from '../../../example.base.js';
import { expectNoLeaks } from '../../../leaks.base.js';
import { temporaryFolder } from '../../../temporary.base.js';
import { evaluate } from './evaluation/evaluate.js';
import { openRun } from './open-run.js';
import { predict } from './predict.js';
import { RunDirectory } from './run-directory.js';
import { configOf, datasetOf, sgdOf, withAugmenter } from './testing.js';
import { train } from './train.js';

const folder = temporaryFolder();
const [path, empty] = [join(folder, 'run'), join(folder, 'empty')];
const dataset = datasetOf();
const gpu = await testGpu();
expectNoLeaks(gpu);
/** The loss on the validation images at the end of training. */
let loss: number;

beforeAll(async () => {
  const config = configOf({ steps: 6, checkpointEvery: 4 });
  const { recipe, model, data } = config;
  const description = alexnet({ variant: 'small', classes: data.classes.length, inputSize: model.inputSize });
  const network = place(description, [gpu], { batch: recipe.batch, seed: recipe.seed, optimizer: sgdOf(recipe) });
  const placed = withAugmenter(network, config);
  const { validation } = await train({ run: await RunDirectory.create(path, config), dataset, ...placed });
  placed.dispose();
  loss = validation!.loss;
  await RunDirectory.create(empty, config);
});

it('returns the network as its training left it', async () => {
  const run = await openRun(path, gpu, alexnet, { batch: 4 });
  expect(run.learnt).toEqual({ kind: 'finished', step: 6 });
  const again = await evaluate({ ...run, split: dataset.validation, views: 1 });
  expect(again.loss).toBeCloseTo(loss, 6);
  run.dispose();
  // One image at a time unless told otherwise.
  const small = await openRun(path, gpu, alexnet);
  const images = await dataset.validation.read([0, 1, 2]);
  const predictions = await predict(small, images, 1);
  expect(predictions.map(([first]) => first!.probability > 1 / 3)).toEqual([true, true, true]);
  small.dispose();
});

it('is called as its example says', async () => {
  const opened = (_: 'runs/mine', ...rest: [Gpu, typeof alexnet]) => openRun(path, ...rest);
  const [run] = await runExamples('open-run.ts', import.meta.url, { openRun: opened, gpu, alexnet });
  expect(run).toMatchObject({ learnt: { kind: 'finished' } });
  (run as Awaited<ReturnType<typeof openRun>>).dispose();
});

it('loads the weights of a checkpoint', async () => {
  const run = await openRun(path, gpu, alexnet, { which: 4 });
  expect(run.learnt).toEqual({ kind: 'checkpoint', step: 4 });
  run.dispose();
});

it('accepts any description that fits, and refuses others', async () => {
  const other = openRun(path, gpu, ({ inputSize }) => alexnet({ variant: 'small', classes: 7, inputSize }));
  await expect(other).rejects.toThrow(CheckpointError);
  await expect(other).rejects.toThrow(/run: its weights do not fit its config\.json: /);
  await expect(openRun(empty, gpu, alexnet)).rejects.toThrow(/empty: has no trained weights yet/);
  await expect(openRun(join(folder, 'none'), gpu, alexnet)).rejects.toThrow(ConfigError);
  const misspelt = { wich: 'best' } as object;
  await expect(openRun(path, gpu, alexnet, misspelt)).rejects.toThrow("openRun: unknown option 'wich'; known: batch");
});
