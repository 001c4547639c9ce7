import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Metrics, RunDirectory } from '@alex/trainer';
import type { Images } from './nets.js';
import { batch, epochsAt, type PlacedStage } from './stages.js';

/** What the driver notes of a run beside what the trainer writes. */
export interface RunNotes {
  readonly net: string;
  readonly seed: number;
  /** Of the whole training. */
  readonly stages: readonly PlacedStage[];
  readonly adapters: readonly string[];
}

/** The file of a run's notes, beside its directory, which the trainer wants to itself when it begins. */
export const notesFileOf = (run: string) => `${run}.json`;
/** What `alexnet evaluate --json` said of the test images. */
export const testFile = 'test.json';

/** An evaluation during the training, of the centre of each image. */
export interface Validation {
  readonly epoch: number;
  /** What the network learnt from; held out were the last fifth, or the test images. */
  readonly images: Images;
  readonly error: number;
  readonly loss: number;
  /** Mean training error since the evaluation before. */
  readonly trainingError: number;
}

/** What is kept of a run: enough for the table and its check. */
export interface Summary {
  readonly net: string;
  readonly seed: number;
  readonly adapter: string;
  /** Epochs that were trained, of how many. */
  readonly epochs: number;
  readonly wholeEpochs: number;
  readonly validations: readonly Validation[];
  /** The test images, of the network as it was after so many epochs. */
  readonly test?: {
    readonly epochs: number;
    readonly views: number;
    readonly images: number;
    readonly error: number;
    readonly loss: number;
  };
  /** Time in steps, whatever else the machine did meanwhile. */
  readonly seconds: number;
}

/** The summaries of all runs in a folder, in the order of their names; none where there is no such folder. */
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

/** Of what `alexnet evaluate --json` prints, what is used. */
export interface EvaluationOutput {
  readonly views: number;
  readonly images: number;
  readonly top1Error: number;
  readonly loss: number;
  readonly learnt: { readonly step: number };
}

/** Makes a summary of what a run's files hold. */
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

/** Reads a file of JSON; nothing where it is not there, or was cut off while it was written. */
export async function readJson<Content>(file: string): Promise<Content | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Content;
  } catch {
    return undefined;
  }
}
