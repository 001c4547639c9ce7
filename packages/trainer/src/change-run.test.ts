import { join } from 'node:path';
import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { ConfigError } from '@alex/tensor';
import { testGpu } from '@alex/tensor/testing';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { changeRun } from './change-run.js';
import { Rates } from './rates.js';
import type { Recipe } from './recipe.js';
import { RunDirectory } from './run-directory.js';
import { configOf, datasetOf, sgdOf, withAugmenter } from './testing.js';
import { train } from './train.js';

const parent = temporaryFolder();
let count = 0;
const dataset = datasetOf();
const images = dataset.train.length;
/** 21 images in batches of 4. */
const stepsPerEpoch = 5;

/** A run that has done this many steps, with these validation errors every third step; no network is involved. */
async function runAt(step: number, recipe: Partial<Recipe> = {}, errors: readonly number[] = [], rateFactor?: number) {
  const run = await RunDirectory.create(join(parent, `run${count++}`), configOf(recipe));
  for (const [index, top1Error] of errors.entries()) {
    const line = { epoch: 0, loss: 1, top5Error: 0, learningRate: 0, imagesPerSecond: 1 };
    await run.appendMetrics({ ...line, step: 3 * (index + 1), split: 'val', top1Error });
  }
  if (step > 0) {
    await run.checkpoints.save({ step, parameters: {}, optimizerState: {}, ...(rateFactor && { rateFactor }) });
  }
  return run;
}

function rateAt({ config }: RunDirectory, step: number, validationErrors: readonly number[] = []): number {
  const epochOf = (steps: number) => steps / stepsPerEpoch;
  return new Rates(config.recipe).at(step, { epochOf, validationErrors }).learningRate;
}

const drops = { kind: 'step', factor: 0.1, epochs: [1, 2] } satisfies Recipe['schedule'];

describe('changing a run by hand', () => {
  it('sets the rate of the next step, which the schedule lowers further', async () => {
    // After the first drop, before the second.
    const { run, change } = await changeRun(await runAt(6, { schedule: drops }), images, { learningRate: 0.004 });
    expect(change).toMatchObject({ step: 6, learningRate: { before: 0.001, after: 0.004 } });
    expect(rateAt(run, 4)).toBe(0.01);
    expect(rateAt(run, 5)).toBeCloseTo(0.001, 12);
    expect(rateAt(run, 6)).toBeCloseTo(0.004, 12);
    expect(rateAt(run, 9)).toBeCloseTo(0.004, 12);
    expect(rateAt(run, 10)).toBeCloseTo(0.0004, 12);
  });

  it('counts the drops that a plateau schedule has made by then', async () => {
    const errors = [0.5, 0.5];
    const schedule = { kind: 'plateau', factor: 0.5, patience: 1, threshold: 0, drops: 3 } as const;
    const { run } = await changeRun(await runAt(6, { schedule }, errors), images, { learningRate: 0.002 });
    expect(rateAt(run, 6, errors)).toBeCloseTo(0.002, 12);
    expect(rateAt(run, 9, [...errors, 0.5])).toBeCloseTo(0.001, 12);
  });

  it('takes a rollback into account', async () => {
    const { run, change } = await changeRun(await runAt(6, { schedule: drops }, [], 0.5), images, {
      learningRate: 0.004,
    });
    expect(change!.learningRate).toEqual({ before: 0.0005, after: 0.004 });
    // The checkpoint's own factor of a half is applied in training.
    expect(rateAt(run, 6)).toBeCloseTo(0.008, 12);
  });

  it('continues from the current rate with another schedule', async () => {
    const begun = await runAt(6, { schedule: drops });
    const { run } = await changeRun(begun, images, { schedule: { kind: 'step', factor: 0.5, epochs: [1, 3] } });
    expect(rateAt(run, 5)).toBeCloseTo(0.001, 12);
    expect(rateAt(run, 6)).toBeCloseTo(0.001, 12);
    expect(rateAt(run, 10)).toBeCloseTo(0.001, 12);
    expect(rateAt(run, 15)).toBeCloseTo(0.0005, 12);
  });

  it('may happen several times', async () => {
    const first = await changeRun(await runAt(3, { schedule: drops }), images, { learningRate: 0.004 });
    await first.run.saveConfig();
    const later = await RunDirectory.open(first.run.path);
    await later.checkpoints.save({ step: 8, parameters: {}, optimizerState: {} });
    const { run } = await changeRun(later, images, { learningRate: 0.003, steps: 20 });
    expect(run.config.recipe).toMatchObject({ steps: 20, learningRate: 0.01, schedule: drops });
    expect([0, 3, 5, 8, 10].map((step) => Number(rateAt(run, step).toPrecision(6)))).toEqual([
      0.01, 0.004, 0.0004, 0.003, 0.0003,
    ]);
  });

  it.each<[string, Parameters<typeof changeRun>[2]]>([
    ['nothing at all', {}],
    ['the initial rate, which its schedule has lowered since', { learningRate: 0.01 }],
    ['its own schedule and length', { schedule: drops, steps: 12 }],
  ])('does nothing if given %s', async (_, byHand) => {
    const begun = await runAt(6, { schedule: drops });
    const { run, change } = await changeRun(begun, images, byHand);
    expect(change).toBeUndefined();
    expect(run).toBe(begun);
  });

  it('warns if another length alone raises the rate, and can keep the old length', async () => {
    const exponential = { kind: 'exponential', factor: 100, steps: 3 } as const;
    const begun = await runAt(12, { schedule: exponential });
    const { jump, run } = await changeRun(begun, images, { steps: 24 });
    expect(jump!.before).toBeCloseTo(0.0001, 12);
    expect(jump!.after).toBeCloseTo(0.001, 12);
    // The past stays: the run can be reproduced from its configuration.
    expect(rateAt(run, 8)).toBeCloseTo(rateAt(begun, 8), 12);
    expect(rateAt(run, 12)).toBeCloseTo(0.001, 12);
    const kept = await changeRun(begun, images, {
      steps: 24,
      schedule: { ...exponential, epochs: 12 / stepsPerEpoch },
    });
    expect(kept.jump).toBeUndefined();
    expect(rateAt(kept.run, 12)).toBeCloseTo(0.0001, 12);
    expect(rateAt(kept.run, 23)).toBeCloseTo(0.0001, 12);
    // Nothing jumps if the schedule does not depend on the length.
    expect((await changeRun(await runAt(12, { schedule: drops }), images, { steps: 24 })).jump).toBeUndefined();
  });

  it('is refused if there is nothing to scale, and if parameters have their own schedules', async () => {
    const nothing = await runAt(6, { schedule: { kind: 'step', factor: 0, epochs: [1] } });
    await expect(changeRun(nothing, images, { learningRate: 0.001 })).rejects.toThrow(ConfigError);
    await expect(changeRun(nothing, images, { learningRate: 0.001 })).rejects.toThrow(/rate is 0 at step 6/);
    const own = await runAt(6, { schedule: drops, schedules: { '*.bias': drops } });
    await expect(changeRun(own, images, { schedule: { ...drops, factor: 0.5 } })).rejects.toThrow(
      /\*\.bias have schedules of their own/,
    );
  });
});

it('a run that was changed by hand can be reproduced from its config.json, bit for bit', async () => {
  const gpu = await testGpu();
  const before = gpu.liveBuffers;
  const trainIn = async (run: RunDirectory) => {
    const { recipe, data, model } = run.config;
    const description = alexnet({ variant: 'small', classes: data.classes.length, inputSize: model.inputSize });
    const network = place(description, [gpu], { batch: recipe.batch, seed: recipe.seed, optimizer: sgdOf(recipe) });
    const placed = withAugmenter(network, run.config);
    try {
      await train({ run, dataset, ...placed });
    } finally {
      placed.dispose();
    }
  };
  const begun = await RunDirectory.create(join(parent, 'by-hand'), configOf({ steps: 6, schedule: drops }));
  await trainIn(begun);
  const { run } = await changeRun(begun, images, { learningRate: 0.002, steps: 12 });
  await trainIn(run);

  const { config } = await RunDirectory.open(run.path);
  expect(config.recipe.changes).toHaveLength(1);
  const again = await RunDirectory.create(join(parent, 'again'), config);
  await trainIn(again);
  expect(await again.readWeights()).toEqual(await run.readWeights());
  const rates = async (one: RunDirectory) =>
    (await one.readMetrics()).filter(({ split }) => split === 'train').map(({ learningRate }) => learningRate);
  expect(await rates(again)).toEqual(await rates(run));
  expect(new Set(await rates(run)).size).toBeGreaterThan(2);
  expect(gpu.liveBuffers).toBe(before);
});
