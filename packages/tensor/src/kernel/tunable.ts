import type { Gpu } from '../adapter/gpu.js';
import { ConfigError } from '../errors.js';
import { createRecording, type Dispatch, isTransfer, type Recorder, type Tunable } from './recorder.js';
import type { Tensor } from './tensor.js';

/** What was found to be the fastest choice, and how long it takes. */
export interface Tuning {
  readonly choice: unknown;
  readonly milliseconds: number;
  /** How thoroughly it was sought. */
  readonly effort: 'quick' | 'full';
}

/** What the fastest choice depends on beside sizes: how tensors are stored, what the adapter shares and what it binds. */
export function storageKey(gpu: Gpu, tensors: readonly Tensor[]): string {
  const types = tensors.map(({ dataType }) => dataType);
  const stored = types.every((type) => type === 'f32') ? '' : `${types.join()} `;
  return `${stored}lanes ${gpu.subgroupSize ?? 1} binding ${gpu.bindingBytes}`;
}

/** Tunings by {@link tuningKey}. */
export type Tunings = ReadonlyMap<string, Tuning>;

const tables = new WeakMap<Gpu, Map<string, Tuning>>();

/** The tunings that recording for this adapter follows. */
export function tuningsOf(gpu: Gpu): Tunings {
  return tables.get(gpu) ?? new Map();
}

/** Lets everything that is recorded for this adapter from now on follow these tunings as well. */
export function useTunings(gpu: Gpu, tunings: Iterable<readonly [string, Tuning]>): void {
  const table = tables.get(gpu) ?? new Map<string, Tuning>();
  for (const [key, tuning] of tunings) table.set(key, tuning);
  tables.set(gpu, table);
}

/** What a tuning is found by. */
export function tuningKey({ kernel, version, shape }: Pick<Tunable<unknown>, 'kernel' | 'version' | 'shape'>): string {
  return `${kernel}/${version}/${shape}`;
}

/** Records an operation in the way that was found to be the fastest on the adapter, or else its first candidate. */
export function recordTunable<Choice>(recorder: Recorder, tunable: Tunable<Choice>): void {
  tunable.record(recorder, choiceOf(recorder.gpu, tunable));
  // Afterwards: a tunable within this one is heard of first, and so tuned before this one of equal work.
  recorder.collect?.(tunable as Tunable<unknown>);
}

/** The dispatches that a tunable records by one of its choices. */
export function dispatchesOf(gpu: Gpu, tunable: Tunable<unknown>, choice: unknown): Dispatch[] {
  const recording = createRecording(gpu);
  tunable.record(recording, choice);
  return recording.operations.filter((operation): operation is Dispatch => !isTransfer(operation));
}

/** The choice that recording for an adapter follows: the fastest as far as is known, else the first candidate. */
export function choiceOf<Choice>(gpu: Gpu, tunable: Tunable<Choice>): Choice {
  const [first] = tunable.candidates;
  if (first === undefined) throw new ConfigError(`${tunable.kernel}: a tunable needs at least one candidate`);
  const known = knownChoice(tunable, tuningsOf(gpu).get(tuningKey(tunable)));
  return known === undefined ? first : known;
}

/** The choice of a tuning, if it is still one of the tunable's. */
export function knownChoice<Choice>(tunable: Tunable<Choice>, tuning: Tuning | undefined): Choice | undefined {
  if (!tuning) return undefined;
  return [...tunable.candidates, tunable.plain].find((candidate) => sameChoice(candidate, tuning.choice));
}

/** Whether two choices are one, wherever they come from: the order of an object's properties says nothing. */
export function sameChoice(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
