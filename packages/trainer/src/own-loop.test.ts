import { join } from 'node:path';
import { batchIndices } from '@alex/data';
import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { testGpu } from '@alex/tensor/testing';
import { expect, it } from 'vitest';
import { runExamples } from '../../../example.base.js';
import { temporaryFolder } from '../../../temporary.base.js';
import { evaluate } from './evaluation/evaluate.js';
import { RunDirectory } from './run-directory.js';
import { configOf, datasetOf, withAugmenter } from './testing.js';

const parent = temporaryFolder();
const dataset = datasetOf();
const config = configOf();

/** Trains a run with the example's loop, on a network that is placed for it, and gives the parameters. */
async function trained(run: RunDirectory, steps: number) {
  const description = alexnet({ variant: 'small', classes: 3, inputSize: 24 });
  const network = place(description, [await testGpu()], { batch: 4, seed: 1 });
  const { augmenter, dispose } = withAugmenter(network, config);
  const takeStep = async () => {
    const images = batchIndices(dataset.train.length, { batch: 4, position: network.stepCount });
    const { pixels, labels } = await dataset.train.read(images);
    await augmenter.run({ pixels, images, training: true, seed: 1, epoch: 0 });
    await network.step(network.input, labels);
  };
  try {
    const given = { run, network, augmenter, dataset, evaluate, steps, every: 2, takeStep };
    await runExamples('checkpoint-folder.ts', import.meta.url, given);
    return await network.parameters();
  } finally {
    dispose();
  }
}

it('the loop of the example of CheckpointFolder.save continues where it was stopped, with the same weights', async () => {
  const whole = await RunDirectory.create(join(parent, 'whole'), config);
  const parts = await RunDirectory.create(join(parent, 'parts'), config);
  const wanted = await trained(whole, 4);
  // Its last step is not saved, so it is taken again.
  await trained(parts, 3);
  expect(await parts.checkpoints.steps()).toEqual([2]);
  expect(await trained(parts, 4)).toEqual(wanted);
  expect(await parts.checkpoints.steps()).toEqual([4, 2]);
  expect(Object.keys((await parts.checkpoints.read('best')).validation!)).toEqual(['loss', 'top1Error', 'top5Error']);
});
