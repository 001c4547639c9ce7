import { join } from 'node:path';
import type { HostTensor } from '@alex/tensor';
import { modelNotes, type RunConfig } from './config.js';
import { list } from './directories.js';
import { readSafetensors, writeSafetensors } from './safetensors.js';

/** The final weights of a run. */
export const WEIGHTS = 'weights.safetensors';

/** Weights of a run: of its best checkpoint (the lowest validation error), its newest, or that of a step. */
export type WhichWeights = 'best' | 'last' | number;

/** Trained weights, and their origin. */
export interface LearntWeights {
  /** By dotted name. */
  readonly weights: Record<string, HostTensor>;
  /** Whether they are final, or from a checkpoint. */
  readonly kind: 'finished' | 'checkpoint' | 'best';
  /** Number of steps taken, if the file has it. */
  readonly step?: number;
}

/** Whether a run has final weights. */
export async function hasWeights(directory: string): Promise<boolean> {
  return (await list(directory)).includes(WEIGHTS);
}

/** @throws CheckpointError if they cannot be written */
export function writeWeights(
  directory: string,
  config: RunConfig,
  parameters: Readonly<Record<string, HostTensor>>,
  step: number | undefined,
): Promise<void> {
  return writeSafetensors(join(directory, WEIGHTS), parameters, {
    ...modelNotes(config),
    ...(step !== undefined && { step: String(step) }),
  });
}

/** @throws CheckpointError if the file is truncated or of another format */
export async function readWeights(directory: string): Promise<LearntWeights> {
  const { tensors, metadata } = await readSafetensors(join(directory, WEIGHTS));
  const step = Number(metadata['step'] ?? Number.NaN);
  return { weights: tensors, kind: 'finished', ...(Number.isSafeInteger(step) && { step }) };
}
