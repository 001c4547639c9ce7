import type { Gpu } from '../adapter/gpu.js';
import { ConfigError } from '../errors.js';
import { createRecording, type Dispatch, isTransfer, type Recorder, type Tunable } from './recorder.js';
import type { Tensor } from './tensor.js';

/** The fastest choice found, and its time; or, if nothing was timed, the first choice with correct results. */
export interface Tuning {
  readonly choice: unknown;
  /** Omitted if nothing was timed. */
  readonly milliseconds?: number;
  /** How thorough the search was: only checked, or timed among a few candidates or all. */
  readonly effort: 'examined' | 'quick' | 'full';
}

/**
 * What the fastest choice depends on besides sizes: how tensors are stored, and the adapter's subgroups and bindings.
 */
export function storageKey(gpu: Gpu, tensors: readonly Tensor[]): string {
  const types = tensors.map(({ dataType }) => dataType);
  const stored = types.every((type) => type === 'f32') ? '' : `${types.join()} `;
  return `${stored}lanes ${gpu.subgroupSize ?? 1} binding ${gpu.bindingBytes}`;
}

/** Tunings by {@link tuningKey}. */
export type Tunings = ReadonlyMap<string, Tuning>;

const tables = new WeakMap<Gpu, Map<string, Tuning>>();

/** The tunings used when recording for this adapter. */
export function tuningsOf(gpu: Gpu): Tunings {
  return tables.get(gpu) ?? new Map();
}

/** Makes all later recordings for this adapter use these tunings as well. */
export function useTunings(gpu: Gpu, tunings: Iterable<readonly [string, Tuning]>): void {
  const table = tables.get(gpu) ?? new Map<string, Tuning>();
  for (const [key, tuning] of tunings) table.set(key, tuning);
  tables.set(gpu, table);
}

/** A candidate that crashed its process, lost the adapter or never ended: it is not tried again. */
export interface AvoidedCandidate {
  readonly choice: unknown;
  /** What happened. */
  readonly reason: string;
}

/** Avoided candidates by {@link tuningKey}. */
export type Avoided = ReadonlyMap<string, readonly AvoidedCandidate[]>;

const avoidedTables = new WeakMap<Gpu, Map<string, readonly AvoidedCandidate[]>>();

/** The avoided candidates of an adapter. */
export function avoidedOn(gpu: Gpu): Avoided {
  return avoidedTables.get(gpu) ?? new Map();
}

/** Makes an adapter avoid these candidates from now on. */
export function avoidOn(gpu: Gpu, avoided: Iterable<readonly [string, readonly AvoidedCandidate[]]>): void {
  avoidedTables.set(gpu, withAvoided(avoidedOn(gpu), avoided));
}

/** The union of avoided candidates, each listed once. */
export function withAvoided(
  before: Avoided,
  more: Iterable<readonly [string, readonly AvoidedCandidate[]]>,
): Map<string, readonly AvoidedCandidate[]> {
  const all = new Map(before);
  for (const [key, candidates] of more) {
    const others = (all.get(key) ?? []).filter(
      ({ choice }) => !candidates.some((candidate) => sameChoice(candidate.choice, choice)),
    );
    all.set(key, [...others, ...candidates]);
  }
  return all;
}

/** Why a candidate is avoided on an adapter, or undefined. */
export function whyAvoided(gpu: Gpu, tunable: Tunable<unknown>, choice: unknown): string | undefined {
  return avoidedOn(gpu)
    .get(tuningKey(tunable))
    ?.find((candidate) => sameChoice(candidate.choice, choice))?.reason;
}

/** The key of a tuning. */
export function tuningKey({ kernel, version, shape }: Pick<Tunable<unknown>, 'kernel' | 'version' | 'shape'>): string {
  return `${kernel}/${version}/${shape}`;
}

/** Records an operation with the fastest choice found for the adapter, or else with the default. */
export function recordTunable<Choice>(recorder: Recorder, tunable: Tunable<Choice>): void {
  tunable.record(recorder, choiceOf(recorder.gpu, tunable));
  // Called afterwards, so that a tunable within this one is collected first, and tuned first if both do equal work.
  recorder.collect?.(tunable as Tunable<unknown>);
}

/** The dispatches that a tunable records for one of its choices. */
export function dispatchesOf(gpu: Gpu, tunable: Tunable<unknown>, choice: unknown): Dispatch[] {
  const recording = createRecording(gpu);
  tunable.record(recording, choice);
  return recording.operations.filter((operation): operation is Dispatch => !isTransfer(operation));
}

/** The choice used when recording for an adapter: the fastest known, or else the default. */
export function choiceOf<Choice>(gpu: Gpu, tunable: Tunable<Choice>): Choice {
  return (knownChoice(gpu, tunable) ?? { choice: usualChoice(gpu, tunable) }).choice;
}

const trusted = new WeakSet<Gpu>();

/** Makes an adapter use risky candidates like others, without trying them first: for tests of their results. */
export function trustRisky(gpu: Gpu): void {
  trusted.add(gpu);
}

/** The choice without measurements: the first candidate that is not risky. */
export function usualChoice<Choice>(gpu: Gpu, tunable: Tunable<Choice>): Choice {
  const { kernel, candidates, plain } = tunable;
  if (candidates.length === 0) throw new ConfigError(`${kernel}: a tunable needs at least one candidate`);
  const usual = candidates.find((candidate) => trusted.has(gpu) || !tunable.isRisky?.(candidate));
  return usual === undefined ? plain : usual;
}

/** The tuning of a tunable on an adapter, if it is still one of its candidates and not avoided. */
export function knownChoice<Choice>(
  gpu: Gpu,
  tunable: Tunable<Choice>,
): { readonly choice: Choice; readonly tuning: Tuning } | undefined {
  const tuning = tuningsOf(gpu).get(tuningKey(tunable));
  if (!tuning || whyAvoided(gpu, tunable as Tunable<unknown>, tuning.choice) !== undefined) return undefined;
  const choices = [...tunable.candidates, tunable.plain];
  const index = choices.findIndex((candidate) => sameChoice(candidate, tuning.choice));
  return index < 0 ? undefined : { choice: choices[index]!, tuning };
}

/** Whether two choices are equal, regardless of the order of an object's properties. */
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
