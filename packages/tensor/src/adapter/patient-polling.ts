/** A wait is polled at once at first, and then after pauses of this share of what it has lasted, so that it lasts hardly longer... */
const share = 0.05;

/** ...and after so many milliseconds at most. */
const longest = 4;

/** What polling needs of the process. */
export interface Timers {
  readonly setImmediate: (callback: () => void) => unknown;
  readonly setTimeout: (callback: () => void, milliseconds: number) => unknown;
  /** In milliseconds. */
  readonly now: () => number;
}

const installed = Symbol.for('@alex/tensor: patient polling');

/**
 * Has this process poll adapters with pauses. While a promise of an adapter is pending, the `webgpu` package asks for it in every
 * turn of the event loop, which takes a whole core away from a driver that computes on the processor: on two cores, compiling
 * takes half as long again. It does so by `setImmediate`, so this replaces the global one; callbacks of others are not delayed.
 *
 * For programs, whose process is theirs; Alex' packages never call it. Where a GPU computes there is nothing to gain.
 */
export function pollPatiently(): void {
  const plain = globalThis.setImmediate;
  if (installed in plain) return;
  const schedule = patient({ setImmediate: plain, setTimeout, now: () => performance.now() });
  const replacement = (callback: (...args: unknown[]) => void, ...args: unknown[]) =>
    isPoll(callback, args) ? schedule(callback) : plain(callback, ...args);
  // Its form for promises, and what others may have added.
  Object.defineProperties(replacement, Object.getOwnPropertyDescriptors(plain));
  globalThis.setImmediate = Object.assign(replacement, { [installed]: true }) as unknown as typeof setImmediate;
}

/** Schedules polls: each may ask for the next one while it runs, which makes them polls of one wait. */
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
    // Timers know whole milliseconds only.
    return pause < 1 ? setImmediate(run) : setTimeout(run, pause);
  };
}

/** Whether a callback is a poll of the `webgpu` package: a nameless native function without parameters. */
export function isPoll(callback: (...args: never[]) => unknown, args: readonly unknown[]): boolean {
  return (
    args.length === 0 &&
    callback.name === '' &&
    callback.length === 0 &&
    Function.prototype.toString.call(callback).includes('[native code]')
  );
}
