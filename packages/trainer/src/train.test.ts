import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { adam } from '@alex/optim';
import { ConfigError, DataError, type Gpu } from '@alex/tensor';
import { testGpu } from '@alex/tensor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import type { RunConfig } from './config.js';
import { evaluate } from './evaluation/evaluate.js';
import type { Metrics } from './metrics.js';
import { predict } from './predict.js';
import { RunDirectory } from './run-directory.js';
import type { Placed } from './stepper.js';
import { configOf, datasetOf, sgdOf, withAugmenter } from './testing.js';
import { type TrainingEvent, type TrainingOptions, train } from './train.js';

const parent = temporaryFolder();
let gpu: Gpu;
let before: number;
let count = 0;
beforeAll(async () => {
  gpu = await testGpu();
  before = gpu.liveBuffers;
});
afterAll(async () => {
  expect(gpu.liveBuffers).toBe(before);
});

/** The small network as a run draws it, with its input. */
function placeRun(config: RunConfig) {
  const { recipe, data, model } = config;
  const description = alexnet({ variant: 'small', classes: data.classes.length, inputSize: model.inputSize });
  const network = place(description, [gpu], { batch: recipe.batch, seed: recipe.seed, optimizer: sgdOf(recipe) });
  return withAugmenter(network, config);
}

/** For as long as it is used. */
async function onAdapter<Result>(config: RunConfig, use: (placed: Placed) => Promise<Result>): Promise<Result> {
  const placed = placeRun(config);
  try {
    return await use(placed);
  } finally {
    placed.dispose();
  }
}

/** Trains on the adapter from the content of the run directory, as a new process would. */
function trainIn(run: RunDirectory, options: Partial<TrainingOptions> = {}) {
  return onAdapter(run.config, (placed) => train({ run, dataset: datasetOf(), ...placed, ...options }));
}

const newPath = () => join(parent, `run${count++}`);

/** Everything in the metrics except times. */
async function timeless(run: RunDirectory) {
  return (await run.readMetrics()).map(({ imagesPerSecond: _, ...metrics }) => metrics);
}

describe('train', () => {
  it('writes custom values with its metrics', async () => {
    const run = await RunDirectory.create(newPath(), configOf({ steps: 4, evaluateEvery: 4 }));
    const seen: Metrics[] = [];
    await trainIn(run, {
      scalars: ({ step, split }) => (split === 'train' ? { 'squared step': step ** 2 } : undefined),
      onEvent: (event) => event.kind === 'step' && seen.push(event.metrics),
    });
    const metrics = await run.readMetrics();
    const extras = metrics.map(({ split, extra }) => [split, extra?.['squared step']]);
    expect(extras).toEqual([...[1, 4, 9, 16].map((value) => ['train', value]), ['val', undefined]]);
    expect(seen).toEqual(metrics.filter(({ split }) => split === 'train'));
  });

  it("refuses an optimizer whose learning rate differs from the recipe's, which steps use", async () => {
    const config = configOf();
    const run = await RunDirectory.create(newPath(), config);
    const description = alexnet({ variant: 'small', classes: 3, inputSize: config.model.inputSize });
    const network = place(description, [gpu], { batch: config.recipe.batch, optimizer: adam() });
    const placed = withAugmenter(network, config);
    const training = train({ run, dataset: datasetOf(), ...placed });
    await expect(training).rejects.toThrow(ConfigError);
    await expect(training).rejects.toThrow(/optimizer has the learning rate 0.001, the recipe says 0.01; /);
    placed.dispose();
  });

  it('writes metrics, checkpoints and weights, and learns', async () => {
    const run = await RunDirectory.create(newPath(), configOf({ steps: 40, evaluateEvery: 10 }));
    const events: TrainingEvent[] = [];
    const result = await trainIn(run, { onEvent: (event) => events.push(event) });
    expect(result).toMatchObject({ finished: true, step: 40, validation: { step: 40, split: 'val' } });
    const metrics = await run.readMetrics();
    const train = metrics.filter(({ split }) => split === 'train');
    const val = metrics.filter(({ split }) => split === 'val');
    expect(train.map(({ step }) => step)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(val.map(({ step }) => step)).toEqual([10, 20, 30, 40]);
    // 21 images are five batches of four; the one left over differs from epoch to epoch.
    expect(train.map(({ epoch }) => epoch)).toEqual(train.map(({ step }) => step / 5));
    expect(val.at(-1)!.loss).toBeLessThan(0.5 * train[0]!.loss);
    expect(result.validation!.top1Error).toBeLessThan(0.2);
    expect(events[0]).toEqual({ kind: 'start', step: 0, steps: 40 });
    expect(events.filter(({ kind }) => kind === 'step')).toHaveLength(40);
    expect((await readdir(join(run.path, 'checkpoints'))).sort()).toEqual([
      'best.safetensors',
      'step-00000036.safetensors',
      'step-00000040.safetensors',
    ]);
    const weights = await run.readWeights();
    expect(weights).toEqual((await run.latestCheckpoint())!.parameters);
  });

  it('continues after an interruption as if there had been none', async () => {
    const whole = await RunDirectory.create(newPath(), configOf());
    await trainIn(whole);

    const parts = await RunDirectory.create(newPath(), configOf());
    for (const stopAt of [2, 7]) {
      const stop = new AbortController();
      const onEvent = (event: TrainingEvent) => {
        if (event.kind === 'step' && event.metrics.step === stopAt) stop.abort();
      };
      const run = await RunDirectory.open(parts.path);
      // The next step was already in flight.
      const stopped = stopAt + 1;
      expect(await trainIn(run, { signal: stop.signal, onEvent })).toMatchObject({ finished: false, step: stopped });
      expect((await run.latestCheckpoint())!.step).toBe(stopped);
      expect(await readdir(run.path)).not.toContain('weights.safetensors');
    }
    expect(await trainIn(await RunDirectory.open(parts.path))).toMatchObject({ finished: true, step: 12 });

    const weights = (run: RunDirectory) => readFile(join(run.path, 'weights.safetensors'));
    expect((await weights(parts)).equals(await weights(whole))).toBe(true);
    expect(await parts.latestCheckpoint()).toEqual(await whole.latestCheckpoint());
    expect(await timeless(parts)).toEqual(await timeless(whole));
    // The rate dropped in between, so the history of the schedule was resumed as well.
    expect(new Set((await timeless(whole)).map(({ learningRate }) => learningRate)).size).toBeGreaterThan(1);
  });

  it('repeats an interrupted evaluation', async () => {
    const whole = await RunDirectory.create(newPath(), configOf({ steps: 7 }));
    await trainIn(whole);

    const parts = await RunDirectory.create(newPath(), configOf({ steps: 7 }));
    for (const stopAt of [3, 7]) {
      const stop = new AbortController();
      let step = 0;
      const onEvent = (event: TrainingEvent) => {
        if (event.kind === 'step') step = event.metrics.step;
        if (event.kind === 'evaluating' && step === stopAt) stop.abort();
      };
      const run = await RunDirectory.open(parts.path);
      expect(await trainIn(run, { signal: stop.signal, onEvent })).toMatchObject({ finished: false, step: stopAt });
    }
    const { validation } = await trainIn(await RunDirectory.open(parts.path));
    expect(validation).toMatchObject({ step: 7 });
    expect(await parts.readWeights()).toEqual(await whole.readWeights());
    expect(await timeless(parts)).toEqual(await timeless(whole));
  });

  it('does not evaluate in a run shorter than the time between evaluations', async () => {
    const run = await RunDirectory.create(newPath(), configOf({ steps: 2 }));
    expect(await trainIn(run)).toEqual({ finished: true, step: 2 });
    expect((await run.readMetrics()).map(({ split }) => split)).toEqual(['train', 'train']);
    expect(Object.keys(await run.readWeights())).toContain('conv1.weight');
  });

  it('continues from the last checkpoint after a failure', async () => {
    const whole = await RunDirectory.create(newPath(), configOf({ steps: 10 }));
    await trainIn(whole);

    const failed = await RunDirectory.create(newPath(), configOf({ steps: 10 }));
    let steps = 0;
    const onEvent = (event: TrainingEvent) => {
      if (event.kind === 'step' && ++steps === 7) throw new DataError('the lights went out');
    };
    await expect(trainIn(failed, { onEvent })).rejects.toThrow('the lights went out');
    expect((await failed.readMetrics()).at(-1)!.step).toBe(7);
    const begun: TrainingEvent[] = [];
    await trainIn(await RunDirectory.open(failed.path), { onEvent: (event) => begun.push(event) });
    expect(begun[0]).toEqual({ kind: 'start', step: 4, steps: 10 });
    expect(await failed.readWeights()).toEqual(await whole.readWeights());
    expect(await timeless(failed)).toEqual(await timeless(whole));
  });

  it('can be extended, which does not change earlier steps', async () => {
    const whole = await RunDirectory.create(newPath(), configOf({ steps: 10 }));
    await trainIn(whole);
    const short = await RunDirectory.create(newPath(), configOf({ steps: 5 }));
    await trainIn(short);
    await trainIn(short.changed({ steps: 10 }));
    expect(await short.readWeights()).toEqual(await whole.readWeights());
  });

  it('does nothing if it has finished', async () => {
    const run = await RunDirectory.create(newPath(), configOf({ steps: 3 }));
    await trainIn(run);
    const weights = await run.readWeights();
    expect(await trainIn(await RunDirectory.open(run.path))).toMatchObject({ finished: true, step: 3 });
    expect(await run.readWeights()).toEqual(weights);
  });

  it('ends with other weights for another seed', async () => {
    const [one, other] = [
      await RunDirectory.create(newPath(), configOf({ steps: 1 })),
      await RunDirectory.create(newPath(), configOf({ steps: 1, seed: 4 })),
    ];
    await trainIn(one);
    await trainIn(other);
    expect(await one.readWeights()).not.toEqual(await other.readWeights());
  });

  it('names an image that cannot be read, and leaves a usable run', async () => {
    const run = await RunDirectory.create(newPath(), configOf());
    await expect(trainIn(run, { dataset: datasetOf({ broken: 5 }) })).rejects.toThrow('image 5 is torn; replace it');
    expect(await readdir(parent)).not.toContain(run.path.slice(parent.length + 1));
  });

  it('refuses a batch larger than the data', async () => {
    const run = await RunDirectory.create(newPath(), configOf({ batch: 22 }));
    await expect(trainIn(run)).rejects.toThrow(ConfigError);
  });
});

describe('evaluate', () => {
  it('measures every image once, for any batch size', async () => {
    const results = [];
    for (const batch of [4, 7]) {
      results.push(
        await onAdapter(configOf({ batch }), ({ network, augmenter }) =>
          evaluate({ network, augmenter, split: datasetOf().validation }),
        ),
      );
    }
    for (const result of results) {
      expect(result.images).toBe(10);
      expect(result.loss).toBeCloseTo(results[0]!.loss, 5);
      expect(result.top1Error).toBe(results[0]!.top1Error);
      expect(result.top5Error).toBe(0);
    }
  });

  it('averages the predictions of ten views', async () => {
    await onAdapter(configOf(), async ({ network, augmenter }) => {
      const split = datasetOf().validation;
      const seen: number[] = [];
      const result = await evaluate({ network, augmenter, split, views: 10, onProgress: (done) => seen.push(done) });
      expect(seen).toEqual([4, 8, 10]);
      // One image at a time, from the views' own definition: corners and centre, upright and flipped.
      let loss = 0;
      let errors = 0;
      for (let image = 0; image < split.length; image++) {
        const { pixels, labels } = await split.read([image]);
        const mean = [0, 0, 0];
        for (const mirrored of [false, true]) {
          for (const [top, left] of [
            [0, 0],
            [0, 2],
            [2, 0],
            [2, 2],
            [1, 1],
          ] as const) {
            const view = { top, left, mirrored };
            await augmenter.run({ pixels, images: [image], training: false, seed: 0, epoch: 0, view });
            const { probabilities } = await network.evaluate(network.input, labels);
            for (const c of [0, 1, 2]) mean[c]! += probabilities.data[c]! / 10;
          }
        }
        loss -= Math.log(mean[labels[0]!]!) / split.length;
        errors += mean.indexOf(Math.max(...mean)) === labels[0] ? 0 : 1;
      }
      expect(result.loss).toBeCloseTo(loss, 5);
      expect(result.top1Error).toBeCloseTo(errors / split.length, 9);
      expect(result.top5Error).toBe(0);
      await expect(evaluate({ network, augmenter, split, views: 3 })).rejects.toThrow(/views must be 1 or 10, got 3/);
    });
  });

  it('stops on request', async () => {
    await onAdapter(configOf(), async ({ network, augmenter }) => {
      const stop = new AbortController();
      const evaluation = evaluate({
        network,
        augmenter,
        split: datasetOf().validation,
        signal: stop.signal,
        onProgress: () => stop.abort(new Error('enough')),
      });
      await expect(evaluation).rejects.toThrow('enough');
    });
  });
});

describe('predict', () => {
  it('returns the most likely classes first, for more images than a batch', async () => {
    await onAdapter(configOf(), async ({ network, augmenter }) => {
      const split = datasetOf().validation;
      const images = await split.read([0, 1, 2, 3, 4, 5, 6]);
      const predictions = await predict({ network, augmenter }, images);
      expect(predictions).toHaveLength(7);
      for (const [i, ofImage] of predictions.entries()) {
        expect(ofImage.map(({ label }) => label).sort()).toEqual([0, 1, 2]);
        const shares = ofImage.map(({ probability }) => probability);
        expect([...shares].sort((a, b) => b - a)).toEqual(shares);
        expect(shares.reduce((sum, share) => sum + share)).toBeCloseTo(1, 5);
        const [alone] = await predict({ network, augmenter }, await split.read([i]), 1);
        expect(alone).toHaveLength(1);
        expect(alone![0]!.label).toBe(ofImage[0]!.label);
        expect(alone![0]!.probability).toBeCloseTo(shares[0]!, 5);
      }
    });
  });
});
