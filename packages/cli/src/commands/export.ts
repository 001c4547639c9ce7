import { ConfigError } from '@alex/tensor';
import { type ExportFormat, exporters } from '../export/formats.js';
import { exitCode } from '../failure.js';
import { givenNetwork, type NetworkChoice } from '../given-network.js';
import type { CommonOptions } from '../options.js';
import type { Output } from '../output.js';
import { descriptionOf } from '../session.js';
import { checkPlace } from '../write-result.js';

/** What `export` takes. */
export interface ExportOptions extends CommonOptions, NetworkChoice {
  readonly format: ExportFormat;
  readonly to: string;
  readonly withPreprocessing?: boolean;
}

/** Writes a trained network for other programs; gives the exit code. */
export async function exportCommand(options: ExportOptions, output: Output): Promise<number> {
  const { format, to, withPreprocessing = false } = options;
  if (withPreprocessing && format !== 'onnx') {
    throw new ConfigError(`--with-preprocessing: only a model of --format onnx can include it; leave it out`);
  }
  await checkPlace('--to', to);
  const network = await givenNetwork(options, output);
  const description = descriptionOf(network);
  const { weights } = await network.learnt();
  const { config } = network;
  const { files, remarks } = await exporters[format]({ config, description, weights }, { to, withPreprocessing });
  output.result({ format, files, remarks, variant: config.model.variant, classes: config.data.classes.length });
  for (const file of files) output.line(`${file} is written.`);
  for (const remark of remarks) output.line(`${to}: ${remark}`);
  return exitCode.success;
}
