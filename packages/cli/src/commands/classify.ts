import { decodeImage } from '@alex/data';
import { ConfigError } from '@alex/tensor';
import { predict, type WhichWeights } from '@alex/trainer';
import { exitCode } from '../failure.js';
import type { AdapterOptions } from '../options.js';
import { type Output, percent } from '../output.js';
import { publishedImageSize, publishedNetwork, readLabels, readPublishedWeights } from '../published.js';
import { openTrained, type TrainedNetwork } from '../session.js';
import { openTrainedRun } from '../trained-run.js';

/** What `classify` takes. */
export interface ClassifyOptions extends AdapterOptions {
  readonly run?: string;
  readonly weights?: string;
  readonly mean?: string;
  readonly labels?: string;
  readonly checkpoint?: WhichWeights;
}

/** Shows the most likely labels of images; gives the exit code. */
export async function classifyCommand(
  files: readonly string[],
  options: ClassifyOptions,
  output: Output,
): Promise<number> {
  const run = await networkOf(options, output);
  const { classes, height, width, channels } = run.config.data;
  const bytes = height * width * channels;
  const pixels = new Uint8Array(files.length * bytes);
  for (const [i, file] of files.entries()) {
    pixels.set(await decodeImage(file, file, height, channels === 1 ? 1 : 3), i * bytes);
  }
  const session = await openTrained(run, {
    adapters: options.adapters,
    batch: Math.min(files.length, run.config.recipe.batch),
  });
  try {
    const predictions = await predict(session, { pixels, count: files.length });
    const named = predictions.map((labels, i) => ({
      image: files[i]!,
      labels: labels.map(({ label, probability }) => ({ label: classes[label]!, probability })),
    }));
    output.result(named);
    for (const { image, labels } of named) {
      output.line(image);
      for (const { label, probability } of labels) output.line(`  ${percent(probability).padStart(6)}  ${label}`);
    }
    return exitCode.success;
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
  if (mean !== undefined || labels !== undefined) throw new ConfigError('--mean and --labels are for --weights');
  return openTrainedRun(run, checkpoint, output);
}
