import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { dense } from '@alex/layers-dense';
import { place } from '@alex/multi-gpu';
import { AdapterError, AlexError, ConfigError, describeNetwork, type Gpu, openGpu } from '@alex/tensor';
import type { Network } from '@alex/tensor/network';
import { testGpu } from '@alex/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import type { RunConfig } from './config.js';
import { LossWatch } from './divergence.js';
import type { Recipe } from './recipe.js';
import { RunDirectory } from './run-directory.js';
import { lockRun } from './run-lock.js';
import { configOf, datasetOf, sgdOf, withAugmenter } from './testing.js';
import { type TrainingEvent, type TrainingOptions, train } from './train.js';

const parent = temporaryFolder();
let count = 0;
/** The result of every undisturbed run of twelve steps. */
let wanted: Buffer;

beforeAll(async () => {
  const { run } = await trained();
  wanted = await weights(run);
});

/** The smallest possible network: these tests do not depend on it. */
const newRun = (recipe: Partial<Recipe> = {}) =>
  RunDirectory.create(join(parent, `run${count++}`), {
    ...configOf(recipe),
    model: { variant: 'one-layer', inputSize: 24 },
  });
const weights = (run: RunDirectory) => readFile(join(run.path, 'weights.safetensors'));

/** One layer, as its run draws it, with its input. */
function placeRun(config: RunConfig, ...gpus: Gpu[]) {
  const { recipe, data, model } = config;
  const { batch, microBatch = batch } = recipe;
  const description = describeNetwork({
    name: model.variant,
    input: [data.channels, model.inputSize, model.inputSize],
    layers: [dense({ name: 'fc1', units: data.classes.length, initial: { weightDeviation: 0.01 } })],
  });
  const network = place(description, gpus, {
    batch: microBatch,
    microBatches: batch / microBatch,
    seed: recipe.seed,
    optimizer: sgdOf(recipe),
  });
  return withAugmenter(network, config);
}

/** Trains a run, a new one by default; returns the reported troubles. */
async function trained(
  given: Partial<TrainingOptions> & { run?: RunDirectory; recipe?: Partial<Recipe>; gpus?: readonly Gpu[] } = {},
) {
  const { recipe, gpus, ...options } = given;
  const run = options.run ?? (await newRun(recipe));
  const placed = placeRun(run.config, ...(gpus ?? [await testGpu()]));
  const problems: string[] = [];
  const onEvent = (event: TrainingEvent) => {
    if (event.kind === 'problem') problems.push(event.message);
    options.onEvent?.(event);
  };
  try {
    const result = await train({ dataset: datasetOf(), ...placed, ...options, run, onEvent });
    return { run, result, problems };
  } finally {
    placed.dispose();
  }
}

/** Trains on adapters that are lost when these steps are reached; `lose` counts how often each is. */
async function withLosses(atSteps: number[]) {
  const opened: Gpu[] = [];
  const run = await newRun();
  const open = async () => {
    const gpu = await openGpu({ adapter: (await testGpu()).description.index });
    opened.push(gpu);
    return gpu;
  };
  const left = [...atSteps];
  try {
    return await trained({
      run,
      gpus: [await open()],
      reopen: async () => placeRun(run.config, await open()),
      onEvent: (event) => {
        if (event.kind !== 'step' || event.metrics.step !== left[0]) return;
        left.shift();
        opened.at(-1)!.device.destroy();
      },
    });
  } finally {
    for (const gpu of opened) gpu.dispose();
  }
}

describe('an adapter that is lost', () => {
  it('is opened again, and the run ends as if nothing had happened', async () => {
    const { run, result, problems } = await withLosses([2, 6]);
    expect(result).toMatchObject({ finished: true, step: 12 });
    expect(problems).toHaveLength(2);
    for (const problem of problems) expect(problem).toMatch(/was lost \(destroyed\).*opened again/);
    expect((await weights(run)).equals(wanted)).toBe(true);
  });

  it.each([
    { lost: 1, after: 7, during: 'step \\d+' },
    { lost: 2, after: 6, during: 'evaluation' },
  ])(
    'is number $lost of two, during $during, and the run ends on the other as if nothing had happened',
    async (loss) => {
      const { lost, after, during } = loss;
      const run = await newRun();
      const index = (await testGpu()).description.index;
      const gpus = [await openGpu({ adapter: index }), await openGpu({ adapter: index })];
      try {
        const { result, problems } = await trained({
          run,
          gpus,
          reopen: async () => placeRun(run.config, gpus[2 - lost]!),
          // The next step is in flight by then.
          onEvent: (event) => {
            if (event.kind === 'step' && event.metrics.step === after) gpus[lost - 1]!.device.destroy();
          },
        });
        expect(result).toMatchObject({ finished: true, step: 12 });
        expect(problems).toEqual([
          expect.stringMatching(new RegExp(`${during}: adapter ${lost} of 2 failed.*was lost.*opened again`)),
        ]);
        // Each computes some of the units as a single adapter does: not even the order of sums differs.
        expect((await weights(run)).equals(wanted)).toBe(true);
      } finally {
        for (const gpu of gpus) gpu.dispose();
      }
    },
  );

  it('ends the training if it is lost again and again without a checkpoint in between', async () => {
    const failure = await withLosses([1, 1, 1]).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AdapterError);
    expect(String(failure)).toMatch(/lost 3 times without a checkpoint in between.*then resume the run/);
  });
});

describe('a diverging loss', () => {
  it('is distinguished from a rise that is part of learning', () => {
    const watch = new LossWatch(1000, 12);
    for (const loss of [0, 6.9, 1200]) watch.check(loss, 1);
    for (const loss of [1201, Infinity, NaN]) expect(() => watch.check(loss, 7)).toThrow(`became ${loss} at step 7`);
  });

  it('stops the run, says where it started, and keeps the files that show why', async () => {
    const run = await newRun({ learningRate: 1e20 });
    const failure = await trained({ run }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AlexError);
    expect(String(failure)).toMatch(
      /the loss became .* at step 2: training diverged; start a new run with a lower learning rate than 1.*it started in fc1; .*divergence.json has/,
    );
    const report = JSON.parse(await readFile(join(run.path, 'divergence.json'), 'utf8'));
    expect(report).toMatchObject({ step: 2, goodStep: 0, began: 'fc1' });
    const [{ good, bad }] = report.layers;
    expect([good.layer, bad.layer, good.output.nonFinite]).toEqual(['fc1', 'fc1', 0]);
    expect(bad.parameters.weight.value.mean).toBeGreaterThan(1e10);
  });

  /** A network whose loss is infinite from a given step on if the rate is above a bound. */
  function brittle(network: Network, step: number, bound: number): Network {
    const submitStep: Network['submitStep'] = async (images, labels, options) => {
      const diverges = network.stepCount >= step && options!.learningRate! > bound;
      const underWay = await network.submitStep(images, labels, options);
      return diverges ? { result: async () => ({ ...(await underWay.result()), loss: Infinity }) } : underWay;
    };
    return new Proxy(network, {
      get(target, name) {
        if (name === 'submitStep') return submitStep;
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  async function rolledBack(bound: number, recipe: Partial<Recipe> = {}) {
    const run = await newRun({ schedule: { kind: 'step', factor: 1, epochs: [] }, ...recipe });
    const placed = placeRun(run.config, await testGpu());
    const steps: string[] = [];
    const problems: string[] = [];
    const onEvent = (event: TrainingEvent) => {
      if (event.kind === 'step') steps.push(`${event.metrics.step}: ${event.metrics.learningRate}`);
      if (event.kind === 'problem') problems.push(event.message);
    };
    try {
      const network = brittle(placed.network, 9, bound);
      const { augmenter } = placed;
      await train({ run, dataset: datasetOf(), network, augmenter, onDivergence: 'rollback', onEvent });
    } catch (error) {
      problems.push(String(error));
    } finally {
      placed.dispose();
    }
    return { run, steps, problems };
  }

  it('takes the run back to the last good state with half the rates, on request', async () => {
    const { run, steps, problems } = await rolledBack(0.006, { evaluateEvery: 50 });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(
      /at step 10: training diverged.*Continuing from step 8 with the learning rates multiplied by 0.5/,
    );
    expect(steps.slice(-5)).toEqual(['9: 0.01', '9: 0.005', '10: 0.005', '11: 0.005', '12: 0.005']);
    expect((await run.readMetrics()).filter(({ split }) => split === 'train')).toHaveLength(12);
    expect(await run.latestCheckpoint()).toMatchObject({ step: 12, rateFactor: 0.5 });
  });

  it('goes further back if that does not help, and gives up if nothing does', async () => {
    const { run, steps, problems } = await rolledBack(1e-9, { evaluateEvery: 50 });
    expect(
      problems.map(
        (problem) =>
          /Continuing from step \d+ with the learning rates multiplied by [\d.]+\d|after 3 rollbacks/.exec(
            problem,
          )?.[0],
      ),
    ).toEqual([
      'Continuing from step 8 with the learning rates multiplied by 0.5',
      'Continuing from step 4 with the learning rates multiplied by 0.25',
      'Continuing from step 8 with the learning rates multiplied by 0.125',
      'after 3 rollbacks',
    ]);
    expect(steps.length).toBeGreaterThan(9);
    expect(await readdir(join(run.path, 'checkpoints'))).toContain('step-00000004.safetensors');
  });
});

describe('a step of several micro-batches', () => {
  it('learns the same as the whole batch', async () => {
    const recipe = { batch: 8, steps: 2, evaluateEvery: 100 };
    const whole = await (await trained({ recipe })).run.readWeights();
    const inParts = await trained({ recipe: { ...recipe, microBatch: 4 } });
    for (const [path, { data }] of Object.entries(await inParts.run.readWeights())) {
      data.forEach((value, i) => {
        if (Math.abs(value - whole[path]!.data[i]!) > 1e-4) expect(value, `${path} ${i}`).toBe(whole[path]!.data[i]);
      });
    }
    await expect(newRun({ microBatch: 3 }).then((run) => trained({ run }))).rejects.toThrow(ConfigError);
  });
});

it('continues from the checkpoint before a damaged one, says so, and ends the same', async () => {
  const run = await newRun();
  const stop = new AbortController();
  const onEvent = (event: TrainingEvent) => event.kind === 'checkpoint' && event.step === 8 && stop.abort();
  await trained({ run, signal: stop.signal, onEvent });
  const steps = await run.checkpoints.steps();
  expect(steps.length).toBeGreaterThan(1);
  await truncate(join(run.path, 'checkpoints', `step-${String(steps[0]).padStart(8, '0')}.safetensors`), 1000);
  const { problems } = await trained({ run: await RunDirectory.open(run.path) });
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(`the checkpoint of step ${steps[1]} is used instead`);
  expect((await weights(run)).equals(wanted)).toBe(true);
});

it('does not go back to an earlier checkpoint if the run is shortened', async () => {
  const { run } = await trained();
  const before = await run.checkpoints.steps();
  await expect(trained({ run: run.changed({ steps: 5 }) })).rejects.toThrow(/of step 12, past the end of a run of 5/);
  expect(await run.checkpoints.steps()).toEqual(before);
  expect((await RunDirectory.open(run.path)).config.recipe.steps).toBe(12);
});

it('does not train while another process does', async () => {
  const run = await newRun();
  const lock = await lockRun(run.path);
  await expect(trained({ run })).rejects.toThrow(/is being trained by another process/);
  await lock.release();
  await trained({ run });
});

it('does not train if this process already does, and resumes under a lock that was taken before', async () => {
  const { run: begun } = await trained({ recipe: { steps: 2 } });
  const run = await RunDirectory.openLocked(begun.path);
  await expect(RunDirectory.openLocked(begun.path)).rejects.toThrow(`process ${process.pid} on`);
  await Promise.all([
    trained({ run }),
    // At the same time: the lock is held by this process, but so is the training run.
    expect(trained({ run })).rejects.toThrow(/is being trained by another process \(this very one\)/),
  ]);
  await (await RunDirectory.openLocked(begun.path)).unlock();
});

it('writes nothing more if another machine took over the run while it was suspended', async () => {
  const run = await newRun();
  const elsewhere = { host: 'elsewhere', process: 7 };
  let before: Buffer | undefined;
  const onEvent = (event: TrainingEvent) => {
    if (event.kind !== 'step' || event.metrics.step !== 3) return;
    before = readFileSync(join(run.path, 'metrics.jsonl'));
    // As left by the other machine.
    renameSync(join(run.path, '.lock-1'), join(run.path, '.lock-2'));
    writeFileSync(join(run.path, '.lock-2'), JSON.stringify({ id: 'other', ...elsewhere, beat: 0 }));
  };
  await expect(trained({ run, onEvent })).rejects.toThrow(
    /another process \(process 7 on elsewhere\) has taken over the run while this process \(process \d+ on .*\) was suspended/,
  );
  expect(await readFile(join(run.path, 'metrics.jsonl'))).toEqual(before);
  expect((await readdir(run.path)).sort()).toEqual(['.lock-2', 'checkpoints', 'config.json', 'metrics.jsonl']);
  expect(await run.checkpoints.steps()).toEqual([]);
});

describe('a run whose files are removed during training', () => {
  it.each([
    ['with its directory', (run: RunDirectory) => rmSync(run.path, { recursive: true })],
    [
      'apart from its lock',
      (run: RunDirectory) => {
        for (const name of ['config.json', 'metrics.jsonl', 'checkpoints'])
          rmSync(join(run.path, name), { recursive: true });
      },
    ],
  ])('%s, is made again, saved at once, and ends the same', async (_, removeFiles) => {
    const run = await newRun({ checkpointEvery: 50 });
    const saved: number[] = [];
    const onEvent = (event: TrainingEvent) => {
      if (event.kind === 'step' && event.metrics.step === 5) removeFiles(run);
      if (event.kind === 'checkpoint') saved.push(event.step);
    };
    const { problems } = await trained({ run, onEvent });
    expect(problems).toEqual([
      expect.stringMatching(/run\d+: was removed during training. It is made again, with a checkpoint of step 7;/),
    ]);
    expect(saved.slice(-2)).toEqual([7, 12]);
    expect((await weights(run)).equals(wanted)).toBe(true);
    const again = await RunDirectory.open(run.path);
    expect(again.config).toEqual(run.config);
    expect((await again.readMetrics()).filter(({ split }) => split === 'train').map(({ step }) => step)).toEqual([
      6, 7, 8, 9, 10, 11, 12,
    ]);
  });

  it('is saved even if it is removed after the last step', async () => {
    const run = await newRun({ checkpointEvery: 50 });
    const onEvent = (event: TrainingEvent) => {
      if (event.kind === 'validation' && event.metrics.step === 12) rmSync(run.path, { recursive: true });
    };
    const { result } = await trained({ run, onEvent });
    expect(result.finished).toBe(true);
    expect((await weights(run)).equals(wanted)).toBe(true);
  });

  it('is left to another run that was started in its place', async () => {
    const run = await newRun();
    const other = await newRun({ seed: 9 });
    const onEvent = (event: TrainingEvent) => {
      if (event.kind !== 'step' || event.metrics.step !== 5) return;
      rmSync(run.path, { recursive: true });
      renameSync(other.path, run.path);
    };
    await expect(trained({ run, onEvent })).rejects.toThrow(
      /the lock of the run, which this process .* held, was removed/,
    );
    expect((await RunDirectory.open(run.path)).config.recipe.seed).toBe(9);
    expect(await readdir(join(run.path, 'checkpoints'))).toEqual([]);
  });
});

it('starts from given parameters, also after an interruption before the first checkpoint', async () => {
  const from = await (await trained({ recipe: { steps: 2 } })).run.readWeights();
  const recipe = { steps: 3, seed: 9, checkpointEvery: 50, evaluateEvery: 50 };
  const whole = await trained({ recipe, initialParameters: from });
  const failed = await newRun(recipe);
  const onEvent = (event: TrainingEvent) => {
    if (event.kind === 'step') throw new AlexError('the lights went out');
  };
  await expect(trained({ run: failed, initialParameters: from, onEvent })).rejects.toThrow('lights');
  await trained({ run: await RunDirectory.open(failed.path) });
  expect((await weights(failed)).equals(await weights(whole.run))).toBe(true);
});

it('does not draw parameters that a run starts from', async () => {
  const run = await newRun({ steps: 1, startsFrom: { weights: 'base', replaces: [] } });
  await expect(trained({ run })).rejects.toThrow(/has no checkpoint yet, and starts from base: give its weights/);
});

it('gives some parameters their own schedules, and warms up', async () => {
  const constant: Recipe['schedule'] = { kind: 'table', factors: [[0, 0]] };
  const rates: number[] = [];
  const { run } = await trained({
    recipe: { steps: 4, evaluateEvery: 50, schedules: { 'fc1.weight': constant }, warmUp: { epochs: 0.8, from: 0 } },
    onEvent: (event) => event.kind === 'step' && rates.push(event.metrics.learningRate),
  });
  const placed = placeRun(run.config, await testGpu());
  const drawn = await placed.network.parameters();
  placed.dispose();
  const learnt = await run.readWeights();
  expect(learnt['fc1.weight']).toEqual(drawn['fc1.weight']);
  expect(learnt['fc1.bias']).not.toEqual(drawn['fc1.bias']);
  expect(rates).toEqual([0, 0.0025, 0.005, 0.0075].map((rate) => expect.closeTo(rate, 10)));
});
