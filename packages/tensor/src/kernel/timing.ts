import type { Gpu } from '../adapter/gpu.js';
import type { Program } from './program.js';
import { createStopwatch } from './stopwatch.js';

/** Repeats something this many times and returns the total time in milliseconds. */
export type Repeated = (times: number) => Promise<number>;

/** A number of repetitions, and their total time in milliseconds. */
export interface Timing {
  readonly times: number;
  readonly milliseconds: number;
}

/** The most repetitions at a time, however short they are. */
const mostTimes = 2 ** 14;
/**
 * The largest factor between successive numbers of repetitions: timings that are too short predict longer ones badly.
 */
const largestStep = 8;

/** Increases the number of repetitions until they take long enough. */
export async function untilLongEnough(run: Repeated, leastMilliseconds: number): Promise<Timing> {
  for (let times = 1; ; ) {
    const milliseconds = await run(times);
    if (milliseconds >= leastMilliseconds || times >= mostTimes) return { times, milliseconds };
    // A quarter more than predicted, so that the next one is long enough.
    const step = Math.min(largestStep, Math.max(2, (1.25 * leastMilliseconds) / milliseconds));
    times = Math.min(mostTimes, Math.ceil(times * step));
  }
}

/** An idle card runs at a fraction of its clock and needs tens of milliseconds of work to speed up. */
const warmUpMilliseconds = 50;
/** A card counts as idle after this time without work. */
const restMilliseconds = 10;

const lastBusy = new WeakMap<Gpu, number>();

/** Like {@link untilLongEnough}, but first keeps a card busy until it runs at its full clock. */
export async function untilLongEnoughOn(gpu: Gpu, run: Repeated, leastMilliseconds: number): Promise<Timing> {
  const idle = performance.now() - (lastBusy.get(gpu) ?? -Infinity);
  if (gpu.description.kind === 'hardware' && idle > restMilliseconds) await untilLongEnough(run, warmUpMilliseconds);
  const timing = await untilLongEnough(run, leastMilliseconds);
  lastBusy.set(gpu, performance.now());
  return timing;
}

/**
 * Runs a program repeatedly in one submission, timed by the adapter's timestamps if it has them, otherwise by the wall
 * clock.
 */
export function repeatedRuns(gpu: Gpu, program: Program, scalars: Readonly<Record<string, number>>): Repeated {
  return async (times) => {
    const stopwatch = gpu.features.has('timestamp-query') ? createStopwatch(gpu, 1) : undefined;
    try {
      await gpu.finished();
      const start = performance.now();
      await program.run(scalars, {
        times,
        ...(stopwatch && {
          timestampWrites: stopwatch.around(0),
          afterwards: (encoder) => stopwatch.resolve(encoder),
        }),
      });
      await gpu.finished();
      const milliseconds = performance.now() - start;
      const [stamps] = (await stopwatch?.read()) ?? [];
      // Drivers that only claim to support timestamps return zero.
      return (stamps && Number(stamps.end - stamps.begin) / 1e6) || milliseconds;
    } finally {
      stopwatch?.dispose();
    }
  };
}
