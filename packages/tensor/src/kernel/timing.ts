import type { Gpu } from '../adapter/gpu.js';
import type { Program } from './program.js';
import { createStopwatch } from './stopwatch.js';

/** Does something so many times over and gives the milliseconds that all of it took. */
export type Repeated = (times: number) => Promise<number>;

/** How often something was done, and the milliseconds that all of it took. */
export interface Timing {
  readonly times: number;
  readonly milliseconds: number;
}

/** However short something is, it is not done more often than this in one go. */
const mostTimes = 2 ** 14;
/** What a run that is too short to be timed says of a longer one is not worth more than such a step. */
const largestStep = 8;

/** Does something more and more often, until it takes so long at a time. */
export async function untilLongEnough(run: Repeated, leastMilliseconds: number): Promise<Timing> {
  for (let times = 1; ; ) {
    const milliseconds = await run(times);
    if (milliseconds >= leastMilliseconds || times >= mostTimes) return { times, milliseconds };
    // A quarter more than would do, so that the next one is long enough.
    const step = Math.min(largestStep, Math.max(2, (1.25 * leastMilliseconds) / milliseconds));
    times = Math.min(mostTimes, Math.ceil(times * step));
  }
}

/** A card at rest runs at a fraction of its clock, and reaches it after tens of milliseconds of work. */
const warmUpMilliseconds = 50;
/** A card that had nothing to do for so long counts as at rest. */
const restMilliseconds = 10;

const lastBusy = new WeakMap<Gpu, number>();

/** What {@link untilLongEnough} does, but a card is kept busy first until it runs at its full clock. */
export async function untilLongEnoughOn(gpu: Gpu, run: Repeated, leastMilliseconds: number): Promise<Timing> {
  const idle = performance.now() - (lastBusy.get(gpu) ?? -Infinity);
  if (gpu.description.kind === 'hardware' && idle > restMilliseconds) await untilLongEnough(run, warmUpMilliseconds);
  const timing = await untilLongEnough(run, leastMilliseconds);
  lastBusy.set(gpu, performance.now());
  return timing;
}

/** Runs of a program in one submission, timed by the adapter's timestamps where it has them, else by the wall clock. */
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
      // Zero is what drivers give that only pretend to have timestamps.
      return (stamps && Number(stamps.end - stamps.begin) / 1e6) || milliseconds;
    } finally {
      stopwatch?.dispose();
    }
  };
}
