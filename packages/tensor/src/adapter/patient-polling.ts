import { platform } from '#platform';

/**
 * A wait is first polled without a pause, and later with pauses of this fraction of its duration so far, so that it
 * hardly takes longer...
 */
const share = 0.05;

/** ...and with pauses of at most this many milliseconds. */
const longest = 4;

/** The functions of the process that polling needs. */
export interface Timers {
  readonly setImmediate: (callback: () => void) => unknown;
  readonly setTimeout: (callback: () => void, milliseconds: number) => unknown;
  /** In milliseconds. */
  readonly now: () => number;
}

const installed = Symbol.for('@alex/tensor: patient polling');

/**
 * Makes this process poll adapters with pauses. While a promise of an adapter is pending, the `webgpu` package polls in
 * every turn of the event loop, which takes a whole core away from a software driver: on two cores, compiling takes
 * half as long again. It polls with `setImmediate`, so this function replaces the global one; other callbacks are not
 * delayed.
 *
 * This is for programs, which own their process; Alex's packages never call it. On a GPU, there is nothing to gain. In a
 * browser, it has no effect.
 */
export function pollPatiently(): void {
  if (!platform.pollsWhilePending) return;
  const plain = globalThis.setImmediate;
  if (installed in plain) return;
  const schedule = patient({ setImmediate: plain, setTimeout, now: () => performance.now() });
  const replacement = (callback: (...args: unknown[]) => void, ...args: unknown[]) =>
    isPoll(callback, args) ? schedule(callback) : plain(callback, ...args);
  // Its promise form, and properties that others may have added.
  Object.defineProperties(replacement, Object.getOwnPropertyDescriptors(plain));
  globalThis.setImmediate = Object.assign(replacement, { [installed]: true }) as unknown as typeof setImmediate;
}

/** Schedules polls. A poll may request the next one while it runs, which makes both part of the same wait. */
export function patient({ setImmediate, setTimeout, now }: Timers): (poll: () => void) => unknown {
  let polling = false;
  let begun = 0;
  return (poll) => {
    if (!polling) begun = now();
    const run = () => {
      polling = true;
      try {
        poll();
      } finally {
        polling = false;
      }
    };
    const pause = Math.min(longest, share * (now() - begun));
    // Timers only support whole milliseconds.
    return pause < 1 ? setImmediate(run) : setTimeout(run, pause);
  };
}

/** Whether a callback is a poll of the `webgpu` package: an anonymous native function without parameters. */
export function isPoll(callback: (...args: never[]) => unknown, args: readonly unknown[]): boolean {
  return (
    args.length === 0 &&
    callback.name === '' &&
    callback.length === 0 &&
    Function.prototype.toString.call(callback).includes('[native code]')
  );
}
