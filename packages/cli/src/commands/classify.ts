import { decodeImage } from '@alex/data';
import { ConfigError, DataError } from '@alex/tensor';
import { predict, type WhichWeights } from '@alex/trainer';
import { exitCode, oneLine } from '../failure.js';
import type { AdapterOptions } from '../options.js';
import { type Output, percent } from '../output.js';
import { publishedImageSize, publishedNetwork, readLabels, readPublishedWeights } from '../published.js';
import { openTrained, type TrainedNetwork } from '../session.js';
import { openTrainedRun } from '../trained-run.js';

/** Options of `classify`. */
export interface ClassifyOptions extends AdapterOptions {
  readonly run?: string;
  readonly weights?: string;
  readonly mean?: string;
  readonly labels?: string;
  readonly checkpoint?: WhichWeights;
}

/** Prints the most likely labels of images, and reports images that cannot be read; returns the exit code. */
export async function classifyCommand(
  files: readonly string[],
  options: ClassifyOptions,
  output: Output,
): Promise<number> {
  const run = await networkOf(options, output);
  const { height, width, channels } = run.config.data;
  const bytes = height * width * channels;
  const pixels = new Uint8Array(files.length * bytes);
  const problems = new Map<string, string>();
  const usable: string[] = [];
  for (const file of files) {
    try {
      pixels.set(await decodeImage(file, file, height, channels === 1 ? 1 : 3), usable.length * bytes);
      usable.push(file);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      problems.set(file, error.message);
    }
  }
  const named =
    usable.length === 0 ? [] : await classified(run, usable, pixels.subarray(0, usable.length * bytes), options);
  const results = new Map(named.map((one) => [one.image, one]));
  output.result(files.map((image) => results.get(image) ?? { image, error: problems.get(image) }));
  for (const { image, labels } of named) {
    output.line(image);
    for (const { label, probability } of labels) output.line(`  ${percent(probability).padStart(6)}  ${label}`);
  }
  // Printed last, so that they are visible below any number of other lines.
  for (const problem of problems.values()) output.errors.write(`error: ${oneLine(problem)}\n`);
  return problems.size === 0 ? exitCode.success : exitCode.failure;
}

/** The most likely classes of images. */
async function classified(
  run: TrainedNetwork,
  files: readonly string[],
  pixels: Uint8Array,
  options: ClassifyOptions,
): Promise<{ image: string; labels: { label: string; probability: number }[] }[]> {
  const { classes } = run.config.data;
  const session = await openTrained(run, {
    adapters: options.adapters,
    batch: Math.min(files.length, run.config.recipe.batch),
  });
  try {
    const predictions = await predict(session, { pixels, count: files.length });
    return predictions.map((labels, i) => ({
      image: files[i]!,
      labels: labels.map(({ label, probability }) => ({ label: classes[label]!, probability })),
    }));
  } finally {
    session.dispose();
  }
}

async function networkOf(
  { run, weights, mean, labels, checkpoint }: ClassifyOptions,
  output: Output,
): Promise<TrainedNetwork> {
  if (weights !== undefined) {
    const published = await readPublishedWeights(weights);
    for (const remark of published.remarks) output.line(`${weights}: ${remark}`);
    const size = { height: publishedImageSize, width: publishedImageSize };
    return publishedNetwork(published, { classes: await readLabels(labels, published.classes), ...size }, mean);
  }
  if (run === undefined) throw new ConfigError('--run is missing: give the directory of a run, or a file of --weights');
  if (mean !== undefined || labels !== undefined) throw new ConfigError('--mean and --labels only work with --weights');
  return openTrainedRun(run, checkpoint, output);
}
