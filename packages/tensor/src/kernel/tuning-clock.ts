import type { Gpu } from '../adapter/gpu.js';
import type { Run } from './examiner.js';
import { repeatedRuns, untilLongEnoughOn } from './timing.js';

/** How a trial tells the time: by the adapter's timestamps, or as a test decides. */
export interface TuningClock {
  /** Milliseconds since whenever. */
  now(): number;
  /** Milliseconds that one run of the program takes. */
  time(gpu: Gpu, run: Run): Promise<number>;
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
