import { appendFile, readFile, stat, truncate } from 'node:fs/promises';
import { AlexError, ConfigError, DataError } from '@alex/tensor';
import { checkOneOf, checkOptions } from '@alex/tensor/kernels';
import * as v from 'valibot';
import { describeFileError, errorCode, writeAll, writeWhole } from './file.js';

const shareSchema = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

const metricsSchema = v.object({
  step: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  epoch: v.pipe(v.number(), v.minValue(0)),
  split: v.picklist(['train', 'val']),
  loss: v.number(),
  top1Error: shareSchema,
  top5Error: shareSchema,
  learningRate: v.number(),
  imagesPerSecond: v.number(),
  extra: v.exactOptional(v.record(v.string(), v.number())),
});

/** One line of `metrics.jsonl`. */
export interface Metrics {
  /** Steps taken so far. */
  readonly step: number;
  /** Passes over the training images so far, including the fraction of the current pass. */
  readonly epoch: number;
  /** `train`: the step's own batch, before its update. `val`: all validation images. */
  readonly split: 'train' | 'val';
  /** Mean over the images, in nats. */
  readonly loss: number;
  /** Fractions between 0 and 1. */
  readonly top1Error: number;
  readonly top5Error: number;
  /** The rate of the step just taken. */
  readonly learningRate: number;
  readonly imagesPerSecond: number;
  /** Custom values by name, such as the norm of a gradient; finite. */
  readonly extra?: Readonly<Record<string, number>>;
}

/**
 * Appends one line; if it does not fit on the disk, it is removed again.
 *
 * @throws ConfigError for an unknown field, or a number that is not finite, which JSON cannot represent; AlexError if the file
 * cannot be written
 */
export async function appendMetrics(path: string, metrics: Metrics): Promise<void> {
  checkOptions('metrics', metrics, [
    'step',
    'epoch',
    'split',
    'loss',
    'top1Error',
    'top5Error',
    'learningRate',
    'imagesPerSecond',
    'extra',
  ]);
  const { split, extra, ...numbers } = metrics;
  checkOneOf('metrics', 'split', split, ['train', 'val']);
  for (const [name, value] of Object.entries({ ...numbers, ...extra })) {
    if (!Number.isFinite(value)) throw new ConfigError(`metrics: ${name} must be a finite number, got ${value}`);
  }
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  try {
    await appendFile(path, `${JSON.stringify(metrics)}\n`);
  } catch (error) {
    await truncate(path, size).catch(() => undefined);
    throw new AlexError(`${path}: could not be written: ${describeFileError(error)}`, { cause: error });
  }
}

/**
 * Reads a `metrics.jsonl`. A truncated last line (the machine stopped while it was written) is ignored.
 *
 * @returns an empty list if there is no such file yet
 * @throws DataError with the file and the line that is not valid
 */
export async function readMetrics(path: string): Promise<Metrics[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw new DataError(`${path}: could not be read: ${describeFileError(error)}`, { cause: error });
  }
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line, index) => {
    const metrics = v.safeParse(v.pipe(v.string(), v.parseJson(), metricsSchema), line);
    if (!metrics.success) throw new DataError(`${path}: line ${index + 1} is not a line of metrics`);
    return metrics.output;
  });
}

/** Drops the lines after `step`: a run that continues from a checkpoint takes those steps again. */
export async function rewindMetrics(path: string, step: number): Promise<Metrics[]> {
  const kept = (await readMetrics(path)).filter((metrics) => metrics.step <= step);
  const text = kept.map((metrics) => `${JSON.stringify(metrics)}\n`).join('');
  try {
    await writeWhole(path, (file) => writeAll(file, Buffer.from(text)));
  } catch (error) {
    throw new AlexError(`${path}: could not be written: ${describeFileError(error)}`, { cause: error });
  }
  return kept;
}
