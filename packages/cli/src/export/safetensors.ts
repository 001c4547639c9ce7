import { variants } from '@alex/model-alexnet';
import { ConfigError } from '@alex/tensor';
import { modelNotes, writeSafetensors } from '@alex/trainer';
import type { Exporter } from './exporter.js';

/** This program's own names, as in a run's `weights.safetensors`. */
export const exportSafetensors: Exporter = async ({ config, weights }, { to }) => {
  const { variant } = config.model;
  if (!variants.some(({ name }) => name === variant)) {
    throw new ConfigError(
      `--format safetensors: ${variant} is no network of this program (docs/networks.md lists them), whose weights mean nothing without their layers; give --format onnx`,
    );
  }
  await writeSafetensors(to, weights, modelNotes(config));
  return { files: [to], remarks: [] };
};
