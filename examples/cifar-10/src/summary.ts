import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Metrics, RunDirectory } from '@alex/trainer';
import type { Images } from './nets.js';
import { batch, epochsAt, type PlacedStage } from './stages.js';

/** What this script records about a run, besides what the trainer writes. */
export interface RunNotes {
  readonly net: string;
  readonly seed: number;
  /** Of the whole training run. */
  readonly stages: readonly PlacedStage[];
  readonly adapters: readonly string[];
}

/** The file of a run's notes, next to its directory, which must be empty when training starts. */
export const notesFileOf = (run: string) => `${run}.json`;
/** The result of `alexnet evaluate --json` for the test images. */
export const testFile = 'test.json';

/** An evaluation during training, with the centre of each image. */
export interface Validation {
  readonly epoch: number;
  /** The training images; the last fifth or the test images were held out. */
  readonly images: Images;
  readonly error: number;
  readonly loss: number;
  /** Mean training error since the previous evaluation. */
  readonly trainingError: number;
}

/** The stored summary of a run: enough for the table and its check. */
export interface Summary {
  readonly net: string;
  readonly seed: number;
  readonly adapter: string;
  /** Trained epochs, and planned ones. */
  readonly epochs: number;
  readonly wholeEpochs: number;
  readonly validations: readonly Validation[];
  /** The result on the test images, after this many epochs. */
  readonly test?: {
    readonly epochs: number;
    readonly views: number;
    readonly images: number;
    readonly error: number;
    readonly loss: number;
  };
  /** Time in steps, including the effect of other work on the machine. */
  readonly seconds: number;
}

/** The summaries of all runs in a folder, in the order of their names; empty if there is no such folder. */
export async function readSummaries(runs: string): Promise<Summary[]> {
  const names = await readdir(runs).catch((): string[] => []);
  const directories = names
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(runs, name.slice(0, -'.json'.length)));
  const found = await Promise.all(directories.sort().map(readSummary));
  return found.filter((summary) => summary !== undefined);
}

async function readSummary(run: string): Promise<Summary | undefined> {
  const notes = await readJson<RunNotes>(notesFileOf(run));
  if (!notes || !(await RunDirectory.exists(run))) return undefined;
  const metrics = await (await RunDirectory.open(run)).readMetrics();
  return summarize(notes, metrics, await readJson<EvaluationOutput>(join(run, testFile)));
}

/** The fields of `alexnet evaluate --json` that are used. */
export interface EvaluationOutput {
  readonly views: number;
  readonly images: number;
  readonly top1Error: number;
  readonly loss: number;
  readonly learnt: { readonly step: number };
}

/** Summarizes a run's files. */
export function summarize(notes: RunNotes, metrics: readonly Metrics[], test?: EvaluationOutput): Summary {
  const { net, seed, stages, adapters } = notes;
  const steps = metrics.filter(({ split }) => split === 'train');
  const validations = metrics.filter(({ split }) => split === 'val');
  return {
    net,
    seed,
    adapter: adapters.join(' and '),
    epochs: rounded(epochsAt(stages, steps.at(-1)?.step ?? 0), 2),
    wholeEpochs: stages.reduce((sum, { epochs }) => sum + epochs, 0),
    validations: validations.map(({ step, top1Error, loss }, index) => {
      const before = validations[index - 1]?.step ?? 0;
      const since = steps.filter((line) => line.step > before && line.step <= step).map((line) => line.top1Error);
      return {
        epoch: rounded(epochsAt(stages, step), 2),
        images: stages.find(({ end }) => step <= end)?.images ?? 'all',
        error: top1Error,
        loss: rounded(loss, 4),
        trainingError: rounded(since.reduce((sum, error) => sum + error, 0) / since.length, 4),
      };
    }),
    ...(test && {
      test: {
        epochs: rounded(epochsAt(stages, test.learnt.step), 2),
        views: test.views,
        images: test.images,
        error: test.top1Error,
        loss: rounded(test.loss, 4),
      },
    }),
    seconds: Math.round(steps.reduce((sum, { imagesPerSecond }) => sum + batch / imagesPerSecond, 0)),
  };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** Reads a JSON file; undefined if it does not exist, or is truncated. */
export async function readJson<Content>(file: string): Promise<Content | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Content;
  } catch {
    return undefined;
  }
}
