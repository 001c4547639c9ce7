import type { Gpu } from '../adapter/gpu.js';
import { createProgram, createPrograms, type Program } from './program.js';
import type { Tunable } from './recorder.js';
import { createRecording, type Dispatch, isTransfer, type Recorder } from './recorder.js';
import { StandIns } from './stand-ins.js';
import { repeatedRuns, untilLongEnoughOn } from './timing.js';
import { sameChoice } from './tunable.js';

/** How a trial tells the time: by the adapter's timestamps, or as a test decides. */
export interface TuningClock {
  /** Milliseconds since whenever. */
  now(): number;
  /** Milliseconds that one run of the program takes. */
  time(gpu: Gpu, run: Run): Promise<number>;
}

/** A choice, ready to run. */
export interface Run {
  readonly choice: unknown;
  readonly program: Program;
  /** A value for each: the time does not depend on them, but they must be there. */
  readonly scalars: Readonly<Record<string, number>>;
}

export interface TrialOptions {
  readonly effort: 'quick' | 'full';
  readonly clock: TuningClock;
  readonly signal?: AbortSignal | undefined;
  onDropped(choice: unknown, reason: string): void;
}

export interface TrialResult {
  readonly choice: unknown;
  readonly milliseconds: number;
  /** Of the first candidate, where it is right. */
  readonly firstMilliseconds: number | undefined;
}

/** `rounds`: how often each candidate is timed, unless `milliseconds` have passed before. */
const efforts = {
  quick: { candidates: 3, rounds: 10, milliseconds: 1500 },
  full: { candidates: Infinity, rounds: 30, milliseconds: 6000 },
} as const;

/** A turn on a card is many runs: so many turns are enough. */
const roundsOnCard = 8;

/** Candidates that take so many times as long as the fastest are not timed again. */
const hopeless = 1.5;
/** The first candidate stays unless another takes a smaller share of its time: noise is not to choose. */
const clearly = 0.97;
/**
 * Sums in another order differ by some 1e-6 of the largest result, Winograd's F(4x4, 3x3) by up to 1.3e-5; one product
 * that is missing from a sum of 10,000 makes 2e-3, from AlexNet's longest (387,200 products) still 4e-4.
 */
const usualTolerance = 1e-4;

/** Where two results lie on either side of what f16 rounds up from, they are this far apart. */
const halfTolerance = 2 ** -10;

/**
 * Finds the fastest choice of a tunable among those whose results are the plain one's. Each is a program of its own over
 * stand-ins for the tensors that come from outside. Nothing where the signal stopped it, or where there was nothing to
 * hold results against.
 *
 * @throws AdapterError where the adapter is lost
 */
export async function runTrial(
  gpu: Gpu,
  tunable: Tunable<unknown>,
  options: TrialOptions,
): Promise<TrialResult | undefined> {
  const candidates = tunable.candidates.slice(0, efforts[options.effort].candidates);
  return withRight(gpu, tunable, candidates, options, async (right) => {
    const racing = right.filter(({ choice }) => candidates.some((candidate) => sameChoice(candidate, choice)));
    // Where no candidate is right, the plain choice is what must be taken.
    const times = await race(gpu, racing.length > 0 ? racing : right, options);
    return times && decide(times, candidates[0]);
  });
}

/** A candidate's time, or why it has none. */
export type CandidateTiming =
  | { readonly choice: unknown; readonly milliseconds: number }
  | { readonly choice: unknown; readonly reason: string };

/**
 * Times all choices of a tunable whose results are the plain one's, the plain one among them; those that are hopelessly
 * slow only once.
 *
 * @returns the fastest first, then those that failed or are wrong
 * @throws AdapterError where the adapter is lost
 */
export async function timeCandidates(
  gpu: Gpu,
  tunable: Tunable<unknown>,
  { clock = adapterClock, signal }: { readonly clock?: TuningClock; readonly signal?: AbortSignal | undefined } = {},
): Promise<CandidateTiming[]> {
  const dropped: CandidateTiming[] = [];
  const onDropped: TrialOptions['onDropped'] = (choice, reason) => dropped.push({ choice, reason });
  const options = { effort: 'full', clock, signal, onDropped } as const;
  const times = await withRight(gpu, tunable, tunable.candidates, options, (right) => race(gpu, right, options));
  const timed = [...(times ?? [])].sort(([, a], [, b]) => a - b);
  return [...timed.map(([{ choice }, milliseconds]) => ({ choice, milliseconds })), ...dropped];
}

/** Makes the plain choice and candidates ready, and hands on those whose results are right, if there are any. */
async function withRight<Result>(
  gpu: Gpu,
  tunable: Tunable<unknown>,
  candidates: readonly unknown[],
  options: TrialOptions,
  use: (right: readonly Run[]) => Promise<Result | undefined>,
): Promise<Result | undefined> {
  const { plain } = tunable;
  const choices = [plain, ...candidates.filter((choice) => !sameChoice(choice, plain))];
  const standIns = new StandIns(gpu, tunable);
  let runs: Run[] = [];
  try {
    runs = build(gpu, standIns, choices, options);
    const right = await check(gpu, standIns, runs, tunable, options);
    return right.length === 0 || options.signal?.aborted ? undefined : await use(right);
  } finally {
    for (const { program } of runs) program.dispose();
    standIns.dispose();
  }
}

interface Recorded {
  readonly choice: unknown;
  readonly dispatches: readonly Dispatch[];
}

/** Records every choice and begins to compile them, all at once; without those that cannot be made. */
function build(gpu: Gpu, standIns: StandIns, choices: readonly unknown[], { onDropped }: TrialOptions): Run[] {
  const canBe = (choice: unknown, make: () => void): boolean => {
    try {
      make();
      return true;
    } catch (error) {
      onDropped(choice, messageOf(error));
      return false;
    }
  };
  const recorded: Recorded[] = [];
  for (const choice of choices) {
    canBe(choice, () => recorded.push({ choice, dispatches: recordAlone(gpu, standIns, choice) }));
  }
  try {
    return createRuns(gpu, recorded);
  } catch {
    return createRuns(
      gpu,
      recorded.filter((one) => canBe(one.choice, () => createProgram(gpu, replay(one.dispatches)).dispose())),
    );
  }
}

function recordAlone(gpu: Gpu, standIns: StandIns, choice: unknown): readonly Dispatch[] {
  const recording = createRecording(gpu);
  standIns.record(recording, choice);
  return recording.operations.filter((operation): operation is Dispatch => !isTransfer(operation));
}

/** One program a choice, over memory that they share. */
function createRuns(gpu: Gpu, recorded: readonly Recorded[]): Run[] {
  const names = recorded.map((_, index) => `${index}`);
  const programs = createPrograms(
    gpu,
    Object.fromEntries(names.map((name, index) => [name, replay(recorded[index]!.dispatches)])),
  );
  return recorded.map(({ choice, dispatches }, index) => {
    const scalars = dispatches.flatMap((dispatch) => Object.keys(dispatch.scalars ?? {}));
    return { choice, program: programs[names[index]!]!, scalars: Object.fromEntries(scalars.map((name) => [name, 1])) };
  });
}

const replay = (dispatches: readonly Dispatch[]) => (recorder: Recorder) => {
  for (const dispatch of dispatches) recorder.dispatch(dispatch);
};

/**
 * Runs every choice once, the plain one first, and gives those with its results: none where there is no plain one to
 * hold them against, or the signal stopped it. What compiles at its first dispatch has compiled afterwards.
 */
async function check(
  gpu: Gpu,
  standIns: StandIns,
  runs: readonly Run[],
  { plain, outputs, tolerance: ofSums = usualTolerance }: Tunable<unknown>,
  { signal, onDropped }: TrialOptions,
): Promise<Run[]> {
  let wanted: readonly ArrayLike<number>[] | undefined;
  const right: Run[] = [];
  const tolerance = ofSums + (outputs.some(({ dataType }) => dataType === 'f16') ? halfTolerance : 0);
  for (const run of runs) {
    const isPlain = sameChoice(run.choice, plain);
    if (signal?.aborted || !(isPlain || wanted)) return [];
    try {
      const got = await standIns.results(() => run.program.run(run.scalars));
      // The plain choice is held against itself, from which only what is no number differs.
      const difference = largestDifference(got, wanted ?? got);
      if (difference <= tolerance) {
        wanted ??= got;
        right.push(run);
      } else onDropped(run.choice, `differs from the plain choice by ${difference} of the largest result`);
    } catch (error) {
      await throwIfLost(gpu);
      onDropped(run.choice, messageOf(error));
    }
  }
  return right;
}

/** As a share of the largest wanted value of the same tensor; infinite where anything is no number. */
function largestDifference(got: readonly ArrayLike<number>[], wanted: readonly ArrayLike<number>[]): number {
  let largest = 0;
  wanted.forEach((values, index) => {
    let gap = 0;
    let magnitude = 0;
    for (let i = 0; i < values.length; i++) {
      const distance = Math.abs(got[index]![i]! - values[i]!);
      if (Number.isNaN(distance)) gap = Infinity;
      gap = Math.max(gap, distance);
      magnitude = Math.max(magnitude, Math.abs(values[i]!));
    }
    largest = Math.max(largest, magnitude === 0 ? gap : gap / magnitude);
  });
  return largest;
}

/**
 * Times the choices in turn, so that whatever else runs meets them alike; the fastest run of each counts. Nothing where
 * the signal stopped it.
 */
async function race(
  gpu: Gpu,
  entrants: readonly Run[],
  { effort, clock, signal, onDropped }: TrialOptions,
): Promise<ReadonlyMap<Run, number> | undefined> {
  const { milliseconds, ...given } = efforts[effort];
  const rounds = gpu.description.kind === 'hardware' ? Math.min(roundsOnCard, given.rounds) : given.rounds;
  const best = new Map<Run, number>();
  let racing = [...entrants];
  const start = clock.now();
  for (let round = 0; round < rounds && (round === 0 || clock.now() - start < milliseconds); round++) {
    for (const run of racing) {
      if (signal?.aborted) return undefined;
      try {
        best.set(run, Math.min(best.get(run) ?? Infinity, await clock.time(gpu, run)));
      } catch (error) {
        await throwIfLost(gpu);
        best.delete(run);
        onDropped(run.choice, messageOf(error));
      }
    }
    const slowest = hopeless * Math.min(...best.values());
    racing = racing.filter((run) => (best.get(run) ?? Infinity) <= slowest);
    if (racing.length <= 1) break;
  }
  return best;
}

/** The fastest choice, or the first where none is clearly faster. */
function decide(times: ReadonlyMap<Run, number>, first: unknown): TrialResult | undefined {
  const [winner, ...others] = [...times].sort(([, a], [, b]) => a - b);
  if (!winner) return undefined;
  const [{ choice }, milliseconds] = winner;
  const incumbent = [winner, ...others].find(([run]) => sameChoice(run.choice, first));
  const firstMilliseconds = incumbent?.[1];
  return firstMilliseconds !== undefined && milliseconds > clearly * firstMilliseconds
    ? { choice: first, milliseconds: firstMilliseconds, firstMilliseconds }
    : { choice, milliseconds, firstMilliseconds };
}

/** Throws the adapter's loss; an error of the device that belongs to what failed before is forgotten. */
async function throwIfLost(gpu: Gpu): Promise<void> {
  await gpu.finished().catch(() => undefined);
  await gpu.finished();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Shorter than this, the wall clock would time what is around a kernel, not the kernel. */
const shortestByWallClock = 20;
/** A card's clock goes up and down: a kernel that runs for so long takes the same time again. */
const shortestOnCard = 15;

/**
 * Times by the adapter's timestamps, and by the wall clock where it has none: one run on a software driver, as many as take
 * a while on a card, which has warmed up before.
 */
export const adapterClock: TuningClock = {
  now: () => performance.now(),
  async time(gpu, { program, scalars }) {
    const stamped = gpu.features.has('timestamp-query');
    const byTimestamps = gpu.description.kind === 'hardware' ? shortestOnCard : 0;
    const shortest = stamped ? byTimestamps : shortestByWallClock;
    const { times, milliseconds } = await untilLongEnoughOn(gpu, repeatedRuns(gpu, program, scalars), shortest);
    return milliseconds / times;
  },
};
