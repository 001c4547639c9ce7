import type { Gpu } from '../adapter/gpu.js';
import type { Run } from './examiner.js';
import { repeatedRuns, untilLongEnoughOn } from './timing.js';

/** How a trial measures time: by the adapter's timestamps, or as a test decides. */
export interface TuningClock {
  /** Milliseconds since an arbitrary start. */
  now(): number;
  /** Milliseconds that one run of the program takes. */
  time(gpu: Gpu, run: Run): Promise<number>;
}

/** Over a shorter time, the wall clock would measure the overhead, not the kernel. */
const shortestByWallClock = 20;
/** A card's clock varies: kernels that run this long give repeatable times. */
const shortestOnCard = 15;

/**
 * Times by the adapter's timestamps, or by the wall clock if it has none: one run on a software driver, a longer series
 * after a warm-up on a card.
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
