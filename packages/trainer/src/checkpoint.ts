import { CheckpointError, type HostTensor } from '@alex/tensor';
import * as v from 'valibot';
import { readSafetensors, writeSafetensors } from './safetensors.js';

/** The result of an evaluation on the validation images. */
export interface Validation {
  /** In nats. */
  readonly loss: number;
  /** Fractions between 0 and 1. */
  readonly top1Error: number;
  readonly top5Error: number;
}

/** Everything that a run needs to continue; the order of the data, dropout and crops follow from the step. */
export interface Checkpoint {
  /** Steps taken so far. */
  readonly step: number;
  readonly parameters: Readonly<Record<string, HostTensor>>;
  readonly optimizerState: Readonly<Record<string, HostTensor>>;
  /** Values that layers keep without learning them. Default: none. */
  readonly layerState?: Readonly<Record<string, HostTensor>>;
  /** Factor of the schedule's rates after a rollback. Default: 1. */
  readonly rateFactor?: number;
  /** Validation of these parameters, if they were evaluated. */
  readonly validation?: Validation;
  /** For human readers of the file: the position in the data and in the schedule. */
  readonly notes?: Readonly<Record<string, string>>;
}

const FORMAT = 'alex-checkpoint';
/** Files of a later version may contain things that this version does not know. */
const VERSION = 1;

const json = v.pipe(v.string(), v.parseJson());
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const notesSchema = v.object({
  step: v.pipe(v.string(), v.regex(/^\d{1,15}$/), v.transform(Number)),
  optimizerState: v.pipe(json, v.array(v.string())),
  layerState: v.exactOptional(v.pipe(json, v.array(v.string()))),
  rateFactor: v.pipe(json, v.number(), v.gtValue(0)),
  validation: v.exactOptional(v.pipe(json, v.strictObject({ loss: v.number(), top1Error: share, top5Error: share }))),
});

/**
 * Writes one safetensors file: the parameters, and the state of the optimizer and the layers, each under its dotted
 * name; everything else that the run needs is in the file's metadata.
 */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const { step, parameters, optimizerState, layerState = {}, rateFactor = 1, notes } = checkpoint;
  const validation = checkpoint.validation && measuresOf(checkpoint.validation);
  await writeSafetensors(
    path,
    { ...parameters, ...optimizerState, ...layerState },
    {
      ...notes,
      format: FORMAT,
      version: String(VERSION),
      step: String(step),
      optimizerState: JSON.stringify(Object.keys(optimizerState).sort()),
      ...(Object.keys(layerState).length > 0 && { layerState: JSON.stringify(Object.keys(layerState).sort()) }),
      rateFactor: String(rateFactor),
      ...(validation && { validation: JSON.stringify(validation) }),
    },
  );
}

const measuresOf = ({ loss, top1Error, top5Error }: Validation): Validation => ({ loss, top1Error, top5Error });

/**
 * @throws CheckpointError with the file and what is wrong with it: truncated, damaged, of an unknown format, or of a
 * later version
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { tensors, metadata, checked } = await readSafetensors(path);
  const { format, version = '', ...others } = metadata;
  if (format !== FORMAT) throw new CheckpointError(`${path}: contains tensors, but is not a checkpoint`);
  if (version !== String(VERSION)) {
    throw new CheckpointError(
      `${path}: is a checkpoint of version ${version}, but only ${VERSION} is supported; update this program`,
    );
  }
  if (!checked) throw new CheckpointError(`${path}: its checksum is missing; it was damaged or changed`);
  const notes = v.safeParse(notesSchema, others);
  if (!notes.success) {
    throw new CheckpointError(`${path}: its metadata ${v.getDotPath(notes.issues[0])} is missing or invalid`);
  }
  const { step, rateFactor, validation } = notes.output;
  const parameters = { ...tensors };
  const taken = (names: readonly string[]) =>
    Object.fromEntries(
      names.map((name): [string, HostTensor] => {
        const tensor = tensors[name];
        if (!tensor) throw new CheckpointError(`${path}: ${name} is missing, but its metadata lists it`);
        delete parameters[name];
        return [name, tensor];
      }),
    );
  const optimizerState = taken(notes.output.optimizerState);
  const layerState = taken(notes.output.layerState ?? []);
  const kept = Object.keys(layerState).length > 0 && { layerState };
  return { step, parameters, optimizerState, ...kept, rateFactor, ...(validation && { validation }) };
}
