import { CheckpointError, type HostTensor } from '@alex/tensor';
import { readSafetensors, writeSafetensors } from './safetensors.js';

/** Everything that a run needs to go on; data order, dropout and crops follow from the step. */
export interface Checkpoint {
  /** Steps taken so far. */
  readonly step: number;
  readonly parameters: Readonly<Record<string, HostTensor>>;
  readonly optimizerState: Readonly<Record<string, HostTensor>>;
}

const PARAMETER = 'parameter.';
const OPTIMIZER = 'optimizer.';

/** Writes one safetensors file: `parameter.NAME`, `optimizer.NAME`, the step among its notes. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const tensors: Record<string, HostTensor> = {};
  for (const [name, tensor] of Object.entries(checkpoint.parameters)) tensors[PARAMETER + name] = tensor;
  for (const [name, tensor] of Object.entries(checkpoint.optimizerState)) tensors[OPTIMIZER + name] = tensor;
  await writeSafetensors(path, tensors, { step: String(checkpoint.step) });
}

/** @throws CheckpointError that names the file and what is wrong with it */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { tensors, metadata } = await readSafetensors(path);
  const { step } = metadata;
  if (step === undefined || !/^\d{1,15}$/.test(step)) {
    throw new CheckpointError(`${path}: not a checkpoint: its notes do not say which step it is of`);
  }
  const parameters: Record<string, HostTensor> = {};
  const optimizerState: Record<string, HostTensor> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    if (name.startsWith(PARAMETER)) parameters[name.slice(PARAMETER.length)] = tensor;
    else if (name.startsWith(OPTIMIZER)) optimizerState[name.slice(OPTIMIZER.length)] = tensor;
    else throw new CheckpointError(`${path}: not a checkpoint: it holds a tensor ${name}`);
  }
  return { step: Number(step), parameters, optimizerState };
}
