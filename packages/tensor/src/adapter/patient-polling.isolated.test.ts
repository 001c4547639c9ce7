import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createTensor, disposeTensor, readTensor, writeTensor } from '../kernel/tensor.js';
import { testGpu } from '../testing.js';
import { isPoll, patient, pollPatiently } from './patient-polling.js';

/** A clock that does not move by itself, and the scheduled callbacks: `turn` runs the next one. */
function fakeTimers() {
  let time = 0;
  const scheduled: { readonly callback: () => void; readonly pause: number }[] = [];
  return {
    now: () => time,
    setImmediate: (callback: () => void) => scheduled.push({ callback, pause: 0 }),
    setTimeout: (callback: () => void, pause: number) => scheduled.push({ callback, pause }),
    /** Lets some time pass before the next callback, and returns the pause that it requested. */
    turn(milliseconds: number): number {
      time += milliseconds;
      const { callback, pause } = scheduled.shift()!;
      callback();
      return pause;
    },
  };
}

describe('polls', () => {
  test('of a wait follow each other immediately at first, then with pauses that grow to 4 ms', () => {
    const timers = fakeTimers();
    const schedule = patient(timers);
    const poll = () => void schedule(poll);
    schedule(poll);
    const pauses = Array.from({ length: 11 }, () => timers.turn(10));
    // The pause after 20 ms is the first that a timer can express.
    expect(pauses).toEqual([0, 0, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4, 4]);
  });

  test('of a new wait start immediately again', () => {
    const timers = fakeTimers();
    const schedule = patient(timers);
    let waiting = true;
    const poll = () => {
      if (waiting) schedule(poll);
    };
    schedule(poll);
    for (let turn = 0; turn < 5; turn++) timers.turn(100);
    waiting = false;
    expect(timers.turn(100)).toBe(4);
    schedule(poll);
    expect(timers.turn(1)).toBe(0);
  });

  test('that throw end their wait', () => {
    const timers = fakeTimers();
    const schedule = patient(timers);
    schedule(() => {
      throw new Error('lost');
    });
    expect(() => timers.turn(1000)).toThrow('lost');
    schedule(() => undefined);
    expect(timers.turn(0)).toBe(0);
  });
});

test('other callbacks are not polls, not even native ones', async () => {
  expect(isPoll(() => undefined, [])).toBe(false);
  expect(
    isPoll(
      (
        () => () =>
          undefined
      )(),
      [],
    ),
  ).toBe(false);
  await new Promise<void>((resolve) => {
    expect(isPoll(resolve, [])).toBe(false);
    resolve();
  });
  expect(isPoll(Function.prototype as () => void, [])).toBe(true);
  expect(isPoll(Function.prototype as () => void, [1])).toBe(false);
});

test('a process that polls patiently gets its values, its immediates and their arguments as before', async () => {
  pollPatiently();
  const patiently = globalThis.setImmediate;
  pollPatiently();
  // The second time changes nothing.
  expect(globalThis.setImmediate).toBe(patiently);
  let polls = 0;
  const counting = (callback: () => void, ...args: []) => {
    if (isPoll(callback, args)) polls++;
    return patiently(callback, ...args);
  };
  globalThis.setImmediate = counting as typeof setImmediate;
  const gpu = await testGpu();
  const tensor = createTensor(gpu, 'values', [3]);
  writeTensor(gpu, tensor, Float32Array.of(1, 2, 3));
  expect([...(await readTensor(gpu, tensor))]).toEqual([1, 2, 3]);
  disposeTensor(gpu, tensor);
  globalThis.setImmediate = patiently;
  // The package polls in the way that is assumed here, or none of this would help.
  expect(polls).toBeGreaterThan(0);
  expect(await new Promise((resolve) => setImmediate((...args) => resolve(args), 1, 'a'))).toEqual([1, 'a']);
  expect(await promisify(setImmediate)('value')).toBe('value');
  const cancelled = setImmediate(() => expect.unreachable());
  clearImmediate(cancelled);
  await new Promise((resolve) => setImmediate(resolve));
});
