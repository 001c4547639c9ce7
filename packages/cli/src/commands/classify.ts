import { predict } from '@alex/trainer';
import { exitCode } from '../failure.js';
import { givenNetwork, type NetworkChoice } from '../given-network.js';
import { decodeFiles, sayProblems } from '../image-files.js';
import type { AdapterOptions } from '../options.js';
import { type Output, percent } from '../output.js';
import { openTrained, type TrainedNetwork } from '../session.js';

/** What `classify` takes. */
export type ClassifyOptions = AdapterOptions & NetworkChoice;

/** Prints the most likely labels of images, and reports images that cannot be read; returns the exit code. */
export async function classifyCommand(
  files: readonly string[],
  options: ClassifyOptions,
  output: Output,
): Promise<number> {
  const run = await givenNetwork(options, output);
  const { usable, pixels, problems } = await decodeFiles(files, run);
  const named = usable.length === 0 ? [] : await classified(run, usable, pixels, options);
  const results = new Map(named.map((one) => [one.image, one]));
  output.result(files.map((image) => results.get(image) ?? { image, error: problems.get(image) }));
  for (const { image, labels } of named) {
    output.line(image);
    for (const { label, probability } of labels) output.line(`  ${percent(probability).padStart(6)}  ${label}`);
  }
  sayProblems(problems.values(), output);
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
