import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { prefetch } from './prefetch.js';

/** Counts up to `end`, and tells what it has begun and whether it was closed. */
function counter(end: number) {
  const log: string[] = [];
  async function* count() {
    try {
      for (let i = 0; i < end; i++) {
        log.push(`make ${i}`);
        await setTimeout(1);
        yield i;
      }
    } finally {
      log.push('closed');
    }
  }
  return { log, source: count() };
}

test('gives the same values in the same order', async () => {
  const values = [];
  for await (const value of prefetch(counter(5).source)) values.push(value);
  expect(values).toEqual([0, 1, 2, 3, 4]);
});

test('makes one value while the last one is used, and no more', async () => {
  const { log, source } = counter(5);
  for await (const value of prefetch(source)) {
    await setTimeout(20);
    log.push(`use ${value}`);
    if (value === 1) break;
  }
  expect(log).toEqual(['make 0', 'make 1', 'use 0', 'make 2', 'use 1', 'closed']);
});

test('an error comes after the values before it', async () => {
  async function* failing() {
    yield 1;
    yield 2;
    throw new Error('torn');
  }
  const values: number[] = [];
  const reading = (async () => {
    for await (const value of prefetch(failing())) {
      // Longer than the failure takes: it must wait, and must not count as unhandled meanwhile.
      await setTimeout(20);
      values.push(value);
    }
  })();
  await expect(reading).rejects.toThrow('torn');
  expect(values).toEqual([1, 2]);
});

test('an early end does not tell of a failure that nobody waits for', async () => {
  async function* failing() {
    yield 1;
    throw new Error('torn');
  }
  for await (const value of prefetch(failing())) {
    expect(value).toBe(1);
    break;
  }
  await setTimeout(5);
});
