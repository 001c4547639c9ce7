import type { Gpu } from '../adapter/gpu.js';
import { checkOneOf, checkOptions, checkSignal, optionError } from '../option-checks.js';
import type { Tunable } from './recorder.js';
import { createRecording, type Recorder } from './recorder.js';
import { safeCandidates } from './risky-candidates.js';
import { runTrial } from './trial.js';
import { TrialProcess } from './trial-process.js';
import { avoidOn, knownChoice, type Tuning, type Tunings, tuningKey, useTunings } from './tunable.js';
import type { TuningCache } from './tuning-cache.js';
import { adapterClock, type TuningClock } from './tuning-clock.js';

/**
 * How thorough the search for the fastest choices is: `quick` times the first few candidates for a bounded time, `full` times
 * all of them, `cached` times nothing and uses earlier results, and `off` does not even use these. If a risky candidate comes
 * first, all except `off` check, once for each adapter and driver, whether its results are right; with `off` it is not used.
 */
export type TuningEffort = 'quick' | 'full' | 'cached' | 'off';

export const tuningEfforts: readonly TuningEffort[] = ['quick', 'full', 'cached', 'off'];

/** A candidate that failed, gave results other than those of the plain choice, or is to be avoided. */
export interface DroppedCandidate {
  readonly key: string;
  readonly choice: unknown;
  readonly reason: string;
}

/** An event during tuning. */
export type TuningEvent =
  /** A risky candidate is being checked; `done` of `of` are finished. */
  | { readonly kind: 'examining'; readonly key: string; readonly done: number; readonly of: number }
  /** The next kernel; `done` of `of` are finished, measured or not. */
  | { readonly kind: 'measuring'; readonly key: string; readonly done: number; readonly of: number }
  /** `firstMilliseconds` is the time of the default choice, if its results are right. */
  | ({
      readonly kind: 'tuned';
      readonly key: string;
      readonly milliseconds: number;
      readonly firstMilliseconds: number | undefined;
    } & Tuning)
  | ({ readonly kind: 'dropped' } & DroppedCandidate);

export interface TuneOptions {
  readonly effort: TuningEffort;
  /** Where tunings are stored from one process to the next. */
  readonly cache?: TuningCache | undefined;
  /** No new kernel is started after this time. Default: 20,000 for `quick`, unlimited for `full`. */
  readonly budgetMilliseconds?: number | undefined;
  readonly onEvent?: ((event: TuningEvent) => void) | undefined;
  /** Stops after the current kernel; earlier results are kept. */
  readonly signal?: AbortSignal | undefined;
  /** For tests, which must not depend on timings. */
  readonly clock?: TuningClock | undefined;
  /** For tests: the process in which risky candidates are tried. */
  readonly trialProcess?: TrialProcess | undefined;
}

/** The names of all {@link TuneOptions}. */
export const tuneOptionNames = [
  'effort',
  'cache',
  'budgetMilliseconds',
  'onEvent',
  'signal',
  'clock',
  'trialProcess',
] as const;

/** The state after tuning, for everything tunable that was recorded. */
export interface TuningReport {
  /** The tunings now used when recording for the adapter. */
  readonly tunings: Tunings;
  /** Keys that were measured this time. */
  readonly tuned: readonly string[];
  /** Keys without a tuning: time ran out, or they could not be checked. */
  readonly left: readonly string[];
  readonly dropped: readonly DroppedCandidate[];
}

/** How thorough the search for the known choice was. */
const thoroughness = { examined: 0, quick: 1, full: 2 } as const;

/** The number of risky candidates that are checked before a safe one is used. */
const mostExamined = 3;

const budgets = { quick: 20_000, full: Infinity } as const;

/**
 * Finds the fastest choice for everything tunable that `record` records; later recordings for the adapter use it. Each
 * candidate runs alone on generated values, is compared with the plain choice and timed; one that fails or is wrong is
 * dropped and reported. A kernel that was started is finished even beyond the time limit, so that every start makes
 * progress on a slow adapter.
 *
 * @throws AdapterError if the adapter is lost; ConfigError for an option that is none
 */
export async function tune(
  gpu: Gpu,
  record: (recorder: Recorder) => void,
  options: TuneOptions,
): Promise<TuningReport> {
  checkOptions('tune', options, tuneOptionNames);
  const { effort, cache, budgetMilliseconds, signal } = options;
  checkOneOf('tune', 'effort', effort, tuningEfforts);
  checkSignal('tune', signal);
  if (budgetMilliseconds !== undefined && !(budgetMilliseconds >= 0)) {
    throw optionError('tune', 'budgetMilliseconds', 'a number of at least 0', budgetMilliseconds);
  }
  if (effort === 'off') return { tunings: new Map(), tuned: [], left: [], dropped: [] };
  if (cache) {
    useTunings(gpu, await cache.load(gpu.description));
    avoidOn(gpu, await cache.loadAvoided(gpu.description));
  }
  const trialProcess = options.trialProcess ?? new TrialProcess(gpu);
  const dropped: DroppedCandidate[] = [];
  const trying = { ...options, trialProcess, dropped };
  let tuned: readonly string[] = [];
  try {
    if (effort !== 'full') await examine(gpu, record, trying);
    if (effort !== 'cached') tuned = await measure(gpu, record, { ...trying, effort });
  } finally {
    await trialProcess.end();
  }
  const tunings = new Map<string, Tuning>();
  const left: string[] = [];
  for (const { key, tunable } of meet(gpu, record)) {
    const known = knownChoice(gpu, tunable);
    if (known) tunings.set(key, known.tuning);
    else left.push(key);
  }
  return { tunings, tuned, left, dropped };
}

/** How candidates are tried, and where dropped ones are reported. */
interface Trying extends TuneOptions {
  readonly trialProcess: TrialProcess;
  readonly dropped: DroppedCandidate[];
}

/** Called with a tunable's dropped candidates. */
function dropping(key: string, { dropped, onEvent }: Trying) {
  return (choice: unknown, reason: string) => {
    const candidate = { key, choice, reason };
    dropped.push(candidate);
    onEvent?.({ kind: 'dropped', ...candidate });
  };
}

/**
 * For each tunable without a stored result whose first candidates are risky, checks whether their results are right; the
 * first correct one is used from then on. All of them are checked, however long it takes, because this is done only once.
 */
async function examine(gpu: Gpu, record: (recorder: Recorder) => void, options: Trying): Promise<void> {
  const { cache, signal, onEvent } = options;
  const begun = new Set<string>();
  const isOpen = ({ key, tunable }: Met) =>
    !begun.has(key) && !knownChoice(gpu, tunable) && tunable.isRisky?.(tunable.candidates[0]);
  for (;;) {
    // Collected again after every round, as below.
    const open = meet(gpu, record).filter(isOpen);
    if (open.length === 0) return;
    const of = begun.size + open.length;
    for (const { key, tunable } of open) {
      if (signal?.aborted) return;
      onEvent?.({ kind: 'examining', key, done: begun.size, of });
      begun.add(key);
      const choice = await firstRight(gpu, tunable, { ...options, onDropped: dropping(key, options) });
      if (choice === undefined) continue;
      const tuning: Tuning = { choice, effort: 'examined' };
      useTunings(gpu, [[key, tuning]]);
      await cache?.save(gpu.description, new Map([[key, tuning]]));
    }
  }
}

/**
 * Nothing is stored if none of the first risky candidates is right: that may have other reasons, so they are checked again
 * next time.
 */
async function firstRight(
  gpu: Gpu,
  tunable: Tunable<unknown>,
  precautions: Parameters<typeof safeCandidates>[3],
): Promise<unknown> {
  for (const candidate of tunable.candidates.slice(0, mostExamined)) {
    const [right] = await safeCandidates(gpu, tunable, [candidate], precautions);
    if (right !== undefined || precautions.signal?.aborted) return right;
  }
  return undefined;
}

async function measure(
  gpu: Gpu,
  record: (recorder: Recorder) => void,
  options: Trying & { readonly effort: 'quick' | 'full' },
): Promise<readonly string[]> {
  const { effort, cache, signal, onEvent, clock = adapterClock, trialProcess } = options;
  const end = clock.now() + (options.budgetMilliseconds ?? budgets[effort]);
  const tuned: string[] = [];
  const begun = new Set<string>();
  const isWanted = ({ key, tunable }: Met) => {
    const known = knownChoice(gpu, tunable);
    const done = known && thoroughness[known.tuning.effort] >= thoroughness[effort];
    return !done && !begun.has(key);
  };
  for (;;) {
    // Collected again after every round: a winning choice may contain tunables that have not been seen before.
    const wanted = meet(gpu, record).filter(isWanted);
    if (wanted.length === 0) break;
    const of = begun.size + wanted.length;
    for (const { key, tunable } of wanted) {
      if (signal?.aborted || clock.now() >= end) return tuned;
      onEvent?.({ kind: 'measuring', key, done: begun.size, of });
      begun.add(key);
      const result = await runTrial(gpu, tunable, {
        effort,
        clock,
        cache,
        signal,
        trialProcess,
        onDropped: dropping(key, options),
      });
      if (!result) continue;
      const { firstMilliseconds, ...found } = result;
      const tuning = { ...found, effort };
      useTunings(gpu, [[key, tuning]]);
      await cache?.save(gpu.description, new Map([[key, tuning]]));
      tuned.push(key);
      onEvent?.({ kind: 'tuned', key, firstMilliseconds, ...tuning });
    }
  }
  return tuned;
}

interface Met {
  readonly key: string;
  readonly tunable: Tunable<unknown>;
}

/** Everything tunable that is recorded, each key once, those with the most work first. */
function meet(gpu: Gpu, record: (recorder: Recorder) => void): Met[] {
  const tunables = new Map<string, { readonly tunable: Tunable<unknown>; work: number }>();
  record({
    ...createRecording(gpu),
    collect(tunable) {
      const key = tuningKey(tunable);
      const met = tunables.get(key) ?? { tunable, work: 0 };
      met.work += tunable.work ?? 0;
      tunables.set(key, met);
    },
  });
  return [...tunables].sort(([, a], [, b]) => b.work - a.work).map(([key, { tunable }]) => ({ key, tunable }));
}
