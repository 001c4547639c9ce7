import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { AlexError, type Gpu } from '@alex/tensor';
import { type LocalRanks, localRanks, testGpu } from '@alex/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { onFirst } from './ranks.js';
import { RunDirectory } from './run-directory.js';
import { SharedRun } from './shared-run.js';
import { configOf, datasetOf, sgdOf, withAugmenter } from './testing.js';
import { type TrainingOptions, type TrainingResult, train } from './train.js';

const parent = temporaryFolder();
let gpu: Gpu;
let count = 0;
beforeAll(async () => {
  gpu = await testGpu();
});

// The small network's chunks of neighbours that share a crop have one image.
const config = configOf({ steps: 6, evaluateEvery: 3, checkpointEvery: 2 });

/** Trains the run in a directory with one process and this many micro-batches. */
async function alone(run: RunDirectory, microBatches: number): Promise<void> {
  await onAdapter(run.config, { microBatches }, (placed) => train({ run, dataset: datasetOf(), ...placed }));
}

async function onAdapter<Result>(
  { recipe, data, model }: typeof config,
  { microBatches = 1, ranks }: { readonly microBatches?: number; readonly ranks?: LocalRanks },
  use: (placed: ReturnType<typeof withAugmenter>) => Promise<Result>,
): Promise<Result> {
  const description = alexnet({ variant: 'small', classes: data.classes.length, inputSize: model.inputSize });
  const network = place(description, [gpu], {
    batch: recipe.batch / microBatches / (ranks?.size ?? 1),
    microBatches,
    ranks,
    seed: recipe.seed,
    optimizer: sgdOf(recipe),
  });
  const placed = withAugmenter(network, config);
  try {
    return await use(placed);
  } finally {
    placed.dispose();
  }
}

/** Trains it with this many ranks, of which the first one has the directory. */
function onRanks(run: RunDirectory, size: number, options: (rank: number) => Partial<TrainingOptions> = () => ({})) {
  return Promise.all(
    localRanks(size).map((ranks) => {
      const shared = new SharedRun(run.path, run.config, ranks, ranks.rank === 0 ? run : undefined);
      return onAdapter(run.config, { ranks }, (placed) =>
        train({ run: shared, dataset: datasetOf(), ranks, ...placed, ...options(ranks.rank) }),
      );
    }),
  );
}

const newRun = () => RunDirectory.create(join(parent, `run${count++}`), config);
const weightsOf = (run: RunDirectory) => readFile(join(run.path, 'weights.safetensors'));

async function metricsOf(run: RunDirectory) {
  return (await run.readMetrics()).map(({ imagesPerSecond: _, ...metrics }) => metrics);
}

/** A result without times. */
function timelessResult({ validation, ...result }: TrainingResult) {
  return { ...result, validation: validation && { ...validation, imagesPerSecond: 0 } };
}

describe('ranks that train a run', () => {
  it('leave the same bytes and metrics as one process with as many micro-batches', async () => {
    const [one, two] = [await newRun(), await newRun()];
    await alone(one, 2);
    const results = await onRanks(two, 2);
    expect(timelessResult(results[1]!)).toEqual(timelessResult(results[0]!));
    expect((await weightsOf(two)).equals(await weightsOf(one))).toBe(true);
    const [wanted, got] = [await metricsOf(one), await metricsOf(two)];
    expect(got.filter(({ split }) => split === 'train')).toEqual(wanted.filter(({ split }) => split === 'train'));
    for (const [i, { split, loss, ...rest }] of got.entries()) {
      expect(rest).toEqual({ ...wanted[i], split: undefined, loss: undefined, ...rest });
      expect([split, wanted[i]!.split]).toEqual([split, split]);
      expect(loss).toBeCloseTo(wanted[i]!.loss, 5);
    }
  });

  it('stop together, after the same step, if one of them is told to, and resume with any number of ranks', async () => {
    const [one, two] = [await newRun(), await newRun()];
    await alone(one, 2);
    const stopping = new AbortController();
    const results = await onRanks(two, 2, (rank) => ({
      ...(rank === 1 && {
        signal: stopping.signal,
        onEvent: (event) => event.kind === 'step' && event.metrics.step === 3 && stopping.abort(),
      }),
    }));
    expect(results[0]).toMatchObject({ finished: false });
    expect(timelessResult(results[1]!)).toEqual(timelessResult(results[0]!));
    const { step } = results[0]!;
    expect(step).toBeLessThan(6);
    const opened = await RunDirectory.open(two.path);
    expect((await opened.latestCheckpoint())!.step).toBe(step);
    await onRanks(opened, 2);
    expect((await weightsOf(two)).equals(await weightsOf(one))).toBe(true);
  });

  it('all get the error if the first cannot read the run', async () => {
    const run = await newRun();
    await alone(run, 1);
    // A checkpoint past the end of the run.
    const shorter = (await RunDirectory.open(run.path)).changed({ steps: 2 });
    const results = await Promise.allSettled(
      localRanks(2).map((ranks) => {
        const shared = new SharedRun(run.path, shorter.config, ranks, ranks.rank === 0 ? shorter : undefined);
        return onAdapter(shorter.config, { ranks }, (placed) =>
          train({ run: shared, dataset: datasetOf(), ranks, ...placed }),
        );
      }),
    );
    const reasons = results.map((result) => (result as PromiseRejectedResult).reason.message as string);
    expect(reasons[0]).toMatch(/past the end of a run of 2/);
    expect(reasons[1]).toBe(`rank 0: ${reasons[0]}`);
  });

  it('get the result of the first, even if it is empty', async () => {
    const ranks = localRanks(3);
    const encode = (value: string) => Buffer.from(value);
    const decode = (bytes: Uint8Array) => Buffer.from(bytes).toString();
    const made = await Promise.all(ranks.map((one) => onFirst(one, async () => `rank ${one.rank}`, encode, decode)));
    expect(made).toEqual(['rank 0', 'rank 0', 'rank 0']);
    expect(await Promise.all(ranks.map((one) => onFirst(one, async () => '', encode, decode)))).toEqual(['', '', '']);
    const failing = ranks.map((one) => onFirst(one, () => Promise.reject(new AlexError('torn')), encode, decode));
    const messages = (await Promise.allSettled(failing)).map((one) => (one as PromiseRejectedResult).reason.message);
    expect(messages).toEqual(['torn', 'rank 0: torn', 'rank 0: torn']);
  });
});
