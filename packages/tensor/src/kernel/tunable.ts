import type { Gpu } from '../adapter/gpu.js';
import { ConfigError } from '../errors.js';
import type { Recorder } from './recorder.js';
import type { Tensor } from './tensor.js';

/** An operation that can be computed in several ways, of which one is the fastest on an adapter. */
export interface Tunable<Choice> {
  /** What is computed: `product`, `conv2d/forward`. */
  readonly kernel: string;
  /** Raised whenever the text of the kernels changes, so that what was measured of the old one is forgotten. */
  readonly version: number;
  /** Everything else that the fastest choice depends on: `1024x1024x8 transposeA`. */
  readonly shape: string;
  /** Ways to compute it, as JSON values. The first is what is taken where nothing was measured. */
  readonly candidates: readonly Choice[];
  /** A way that is right everywhere; the results of the others are held against its results. */
  readonly plain: Choice;
  /** The largest difference that is right, as a share of the largest result; 1e-4 where it is left out. */
  readonly tolerance?: number;
  /** Multiply-adds, or what else grows with the time it takes: where time is short, the largest are tuned first. */
  readonly work?: number;
  /** What `record` writes, beside tensors that it makes itself. */
  readonly outputs: readonly Tensor[];
  /** Records one or several dispatches. The tensors that they reach may be others than these, of the same shapes. */
  record(recorder: Recorder, choice: Choice): void;
}

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

function choiceOf<Choice>(gpu: Gpu, tunable: Tunable<Choice>): Choice {
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
