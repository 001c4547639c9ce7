import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { batchesPerEpoch, colourStatistics, type Dataset } from '@alex/data';
import { place } from '@alex/multi-gpu';
import { sgd } from '@alex/optim';
import type { Gpu } from '@alex/tensor';
import {
  base64FromFloats,
  checkRunConfig,
  createRunAugmenter,
  DivergenceError,
  type Metrics,
  type RunConfig,
  RunDirectory,
  train,
} from '@alex/trainer';
import { type Curve, errorsByEpoch } from './curve.js';
import { type Activation, activations, figure1Network } from './network.js';
import { isDone, mostEpochs, type Task } from './plan.js';

/** The settings that all runs share. */
export interface Setting {
  readonly gpu: Gpu;
  readonly dataset: Dataset;
  /** The folder of the run directories. */
  readonly runs: string;
  /** Default: 128, the paper's. */
  readonly batch?: number;
  /** Stops after the steps in flight, with everything saved. */
  readonly signal?: AbortSignal;
  /** Called with the curve at the end of each epoch. */
  onEpoch?(curve: Curve): void;
}

/** Steps between checkpoints: a minute or two on two cores. */
const checkpointEvery = 100;
/** A file besides those of the trainer: the adapters that a run was computed on. */
const adaptersFile = 'adapters.json';

/**
 * Trains a run from its current state as far as a task says: to the target, the number of epochs or a divergence, whichever
 * comes first. No crops, no flips, no weight decay, no dropout, a constant rate.
 */
export async function advance(task: Task, setting: Setting): Promise<Curve> {
  const { gpu, dataset, runs, signal, onEpoch } = setting;
  const path = join(runs, directoryOf(task));
  const run = (await RunDirectory.exists(path))
    ? await RunDirectory.open(path)
    : await RunDirectory.create(path, await configOf(task, setting));
  await noteAdapter(path, gpu.description.name);
  const before = await readCurve(path);
  if (isDone(before, task.epochs)) return before;

  const { recipe } = run.config;
  const stop = new AbortController();
  let metrics = await run.readMetrics();
  const network = place(figure1Network(task.activation, [dataset.channels, dataset.height, dataset.width]), [gpu], {
    batch: recipe.batch,
    seed: recipe.seed,
    optimizer: sgd({
      learningRate: recipe.learningRate,
      momentum: recipe.momentum,
      weightDecay: recipe.weightDecay,
      ...(recipe.overrides && { overrides: recipe.overrides }),
    }),
  });
  const augmenter = createRunAugmenter(network, run.config);
  try {
    await train({
      run,
      dataset,
      network,
      augmenter,
      signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
      onEvent: (event) => {
        if (event.kind === 'start') metrics = metrics.filter(({ step }) => step <= event.step);
        if (event.kind !== 'step') return;
        metrics.push(event.metrics);
        if (event.metrics.step % before.stepsPerEpoch !== 0) return;
        const curve = { ...before, ...measured(metrics, before.stepsPerEpoch, recipe.batch) };
        onEpoch?.(curve);
        if (isDone(curve, task.epochs)) stop.abort();
      },
    });
  } catch (error) {
    // A rate that is too high is a result of the search.
    if (!(error instanceof Error && error.cause instanceof DivergenceError)) throw error;
  } finally {
    augmenter.dispose();
    network.dispose();
  }
  return readCurve(path);
}

/** The curves of all runs in a folder, in the order of their names; empty if there is no such folder. */
export async function readCurves(runs: string): Promise<Curve[]> {
  const names = await readdir(runs).catch(() => []);
  const directories = names.filter((name) => taskPattern.test(name)).sort();
  return Promise.all(directories.map((name) => readCurve(join(runs, name))));
}

const taskPattern = new RegExp(`^(${Object.keys(activations).join('|')})-rate([0-9.e-]+)-seed(\\d+)$`);

function directoryOf({ activation, learningRate, seed }: Task): string {
  return `${activation}-rate${learningRate}-seed${seed}`;
}

async function readCurve(path: string): Promise<Curve> {
  const run = await RunDirectory.open(path);
  const { model, recipe } = run.config;
  const stepsPerEpoch = recipe.steps / mostEpochs;
  const adapters = JSON.parse(await readFile(join(path, adaptersFile), 'utf8')) as string[];
  const divergedAt = await readFile(join(path, 'divergence.json'), 'utf8').then(
    (text) => (JSON.parse(text) as { step: number }).step,
    () => undefined,
  );
  return {
    activation: model.variant.replace('figure-1-', '') as Activation,
    learningRate: recipe.learningRate,
    seed: recipe.seed,
    adapter: adapters.join(' and '),
    stepsPerEpoch,
    ...(divergedAt !== undefined && { divergedAt }),
    ...measured(await run.readMetrics(), stepsPerEpoch, recipe.batch),
  };
}

function measured(metrics: readonly Metrics[], stepsPerEpoch: number, batch: number) {
  const seconds = metrics.reduce((sum, { imagesPerSecond }) => sum + batch / imagesPerSecond, 0);
  return { errors: errorsByEpoch(metrics, stepsPerEpoch), seconds };
}

async function noteAdapter(path: string, adapter: string): Promise<void> {
  const file = join(path, adaptersFile);
  const before = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as string[],
    (): string[] => [],
  );
  if (!before.includes(adapter)) await writeFile(file, `${JSON.stringify([...before, adapter])}\n`);
}

async function configOf(
  { activation, learningRate, seed }: Task,
  { dataset, batch = 128 }: Setting,
): Promise<RunConfig> {
  const { name, classes, height, width, channels, statistics } = dataset;
  const steps = mostEpochs * batchesPerEpoch(dataset.train.length, { batch });
  const colour = statistics?.colour ?? (await colourStatistics(dataset.train, { limit: 1024 }));
  return checkRunConfig({
    model: { variant: `figure-1-${activation}`, inputSize: height },
    data: { source: name, name, classes: [...classes], height, width, channels },
    images: {
      crop: 'centre',
      mirror: false,
      padding: 0,
      scale: 1,
      mean: [...colour.mean],
      ...(statistics && { meanImage: base64FromFloats(statistics.meanImage) }),
    },
    recipe: {
      batch,
      steps,
      seed,
      learningRate,
      schedule: { kind: 'table', factors: [[0, 1]] },
      momentum: 0.9,
      weightDecay: 0,
      // cuda-convnet's nets learn biases twice as fast.
      overrides: { '*.bias': { learningRateScale: 2 } },
      // The figure is about training errors.
      evaluateEvery: steps,
      checkpointEvery,
    },
  });
}
