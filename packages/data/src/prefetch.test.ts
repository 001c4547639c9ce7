import { describe, expect, test } from 'vitest';
import { prefetch, readAhead } from './prefetch.js';
import { turns } from './testing.js';

/** Counts up to `end`, and reports what it has started and whether it was closed. */
function counter(end: number) {
  const log: string[] = [];
  async function* count() {
    try {
      for (let i = 0; i < end; i++) {
        log.push(`make ${i}`);
        await turns(1);
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

test('produces one value ahead and no more', async () => {
  const { log, source } = counter(5);
  for await (const value of prefetch(source)) {
    await turns(20);
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
      // More than the failure needs: it must wait, and must not count as unhandled meanwhile.
      await turns(20);
      values.push(value);
    }
  })();
  await expect(reading).rejects.toThrow('torn');
  expect(values).toEqual([1, 2]);
});

test('an early end ignores a failure that nobody waits for', async () => {
  async function* failing() {
    yield 1;
    throw new Error('torn');
  }
  for await (const value of prefetch(failing())) {
    expect(value).toBe(1);
    break;
  }
  await turns(5);
});

describe('readAhead', () => {
  /** Jobs, of which earlier ones take longer, and lists of the started and the finished ones. */
  function jobsOf(count: number, failing = -1) {
    const log: string[] = [];
    function* jobs() {
      for (let i = 0; i < count; i++) {
        yield async () => {
          log.push(`begin ${i}`);
          await turns(2 * (count - i));
          log.push(`end ${i}`);
          if (i === failing) throw new Error('torn');
          return i;
        };
      }
    }
    return { log, jobs: jobs() };
  }

  test.each([0, 1, 3, 100])('%d ahead gives the same results in the same order', async (ahead) => {
    const results = [];
    for await (const result of readAhead(jobsOf(6).jobs, ahead)) results.push(result);
    expect(results).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test.each([0, 1, 3])('starts no more than %d ahead', async (ahead) => {
    const { log, jobs } = jobsOf(8);
    for await (const result of readAhead(jobs, ahead)) {
      await turns(20);
      expect(log.filter((line) => line.startsWith('begin'))).toHaveLength(Math.min(8, result + 1 + ahead));
    }
  });

  test('an error comes after the results before it, and nothing is left running', async () => {
    const { log, jobs } = jobsOf(6, 2);
    const results: number[] = [];
    const reading = (async () => {
      for await (const result of readAhead(jobs, 2)) {
        // More than the failure needs: it must wait, and must not count as unhandled meanwhile.
        await turns(20);
        results.push(result);
      }
    })();
    await expect(reading).rejects.toThrow('torn');
    expect(results).toEqual([0, 1]);
    expect(log.filter((line) => line.startsWith('begin'))).toHaveLength(5);
    expect(log.filter((line) => line.startsWith('end'))).toHaveLength(5);
  });

  test('an early end lets running jobs finish and starts no more', async () => {
    const { log, jobs } = jobsOf(6, 1);
    for await (const result of readAhead(jobs, 2)) {
      expect(result).toBe(0);
      break;
    }
    expect(log.filter((line) => line.startsWith('end'))).toHaveLength(3);
    await turns(20);
    expect(log).toHaveLength(6);
  });
});
