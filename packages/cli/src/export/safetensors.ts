import { modelNotes, writeSafetensors } from '@alex/trainer';
import type { Exporter } from './exporter.js';

/** This program's own names, as in a run's `weights.safetensors`. */
export const exportSafetensors: Exporter = async ({ config, weights }, { to }) => {
  await writeSafetensors(to, weights, modelNotes(config));
  return { files: [to], remarks: [] };
};
