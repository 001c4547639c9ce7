import { ConfigError } from '@alex/tensor';
import { modelNotes, writeSafetensors } from '@alex/trainer';
import { meanColour, meanImageOf } from '../export/mean.js';
import { exitCode } from '../failure.js';
import { readNetwork, withLabels } from '../network-in-file.js';
import type { CommonOptions } from '../options.js';
import type { Output } from '../output.js';
import { checkPlace } from '../write-result.js';

/** What `import` takes. */
export interface ImportOptions extends CommonOptions {
  readonly to: string;
  readonly mean?: string;
  readonly labels?: string;
}

/** Writes a network of another program as weights of this one; gives the exit code. */
export async function importCommand(file: string, options: ImportOptions, output: Output): Promise<number> {
  const { to, mean, labels } = options;
  await checkPlace('--to', to);
  const found = await readNetwork(file, mean);
  for (const remark of found.remarks) output.line(`${file}: ${remark}`);
  const { config, description, learnt } = await withLabels(found, labels);
  if (description) {
    throw new ConfigError(
      `${file}: its layers are those of no network of this program (docs/networks.md lists them); classify, evaluate and features can use the file itself`,
    );
  }
  const { weights } = await learnt();
  const notes = modelNotes(config);
  await writeSafetensors(to, weights, { ...notes, mean: JSON.stringify(meanColour(config)) });
  const { variant } = config.model;
  output.result({ to, variant, inputSize: config.model.inputSize, classes: config.data.classes.length });
  output.line(`${to} has the weights of ${file}, which is ${variant} for images of ${config.model.inputSize}.`);
  if (meanImageOf(config)) {
    output.line(
      `${to}: it says the mean colour of the mean image that ${file} subtracts; a file of weights cannot have the image.`,
    );
  }
  return exitCode.success;
}
