import { stat } from 'node:fs/promises';
import { RunDirectory, readSafetensors } from '@alex/trainer';
import type { TrainedWeights } from './session.js';

/** The weights of a run, or of a file. */
export async function weightsAt(path: string): Promise<TrainedWeights> {
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  if (!isFile) return (await RunDirectory.open(path)).learnt();
  return { weights: (await readSafetensors(path)).tensors, kind: 'published' };
}
