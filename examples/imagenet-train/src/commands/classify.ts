import { decodePicture } from '@alex/data';
import { predict, RunDirectory } from '@alex/trainer';
import { exitCode } from '../failure.js';
import type { AdapterOptions } from '../options.js';
import { type Output, percent } from '../output.js';
import { openTrained } from '../session.js';

/** What `classify` takes. */
export interface ClassifyOptions extends AdapterOptions {
  readonly run: string;
}

/** Shows the likeliest labels of pictures; gives the exit code. */
export async function classifyCommand(
  files: readonly string[],
  options: ClassifyOptions,
  output: Output,
): Promise<number> {
  const run = await RunDirectory.open(options.run);
  const { classes, height, width, channels } = run.config.data;
  const bytes = height * width * channels;
  const pixels = new Uint8Array(files.length * bytes);
  for (const [i, file] of files.entries()) {
    pixels.set(await decodePicture(file, file, height, channels === 1 ? 1 : 3), i * bytes);
  }
  const session = await openTrained(run, {
    adapters: options.adapters,
    batch: Math.min(files.length, run.config.recipe.batch),
  });
  try {
    const predictions = await predict(session, { pixels, count: files.length });
    const named = predictions.map((labels, i) => ({
      picture: files[i]!,
      labels: labels.map(({ label, probability }) => ({ label: classes[label]!, probability })),
    }));
    output.result(named);
    for (const { picture, labels } of named) {
      output.line(picture);
      for (const { label, probability } of labels) output.line(`  ${percent(probability).padStart(6)}  ${label}`);
    }
    return exitCode.success;
  } finally {
    session.dispose();
  }
}
