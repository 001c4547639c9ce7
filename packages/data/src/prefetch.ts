/**
 * Computes the next value while this one is used: one ahead, in order. An error occurs where its value would have come;
 * leaving the loop early lets the current value finish and closes the source.
 */
export async function* prefetch<T>(source: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const ask = () => {
    const next = iterator.next();
    // It is awaited later or, after an early end, not at all; its failure must not count as unhandled.
    next.catch(() => {});
    return next;
  };
  let next = ask();
  try {
    while (true) {
      const result = await next;
      if (result.done) return;
      next = ask();
      yield result.value;
    }
  } finally {
    await next.catch(() => {});
    await iterator.return?.();
  }
}

/**
 * Starts jobs before their results are requested, `ahead` of the one in use, and yields the results in order. An error
 * occurs where its result would have come; leaving the loop early starts no further jobs and lets the running ones
 * finish.
 */
export async function* readAhead<T>(
  jobs: Iterable<() => Promise<T>>,
  ahead: number,
): AsyncGenerator<T, void, undefined> {
  const iterator = jobs[Symbol.iterator]();
  const pending: Promise<T>[] = [];
  let ended = false;
  const fill = (count: number) => {
    while (!ended && pending.length < count) {
      const next = iterator.next();
      if (next.done) ended = true;
      else {
        const result = next.value();
        // It is awaited later or, after an early end, not at all; its failure must not count as unhandled.
        result.catch(() => {});
        pending.push(result);
      }
    }
  };
  try {
    while (true) {
      fill(1);
      const current = pending.shift();
      if (!current) return;
      fill(ahead);
      yield await current;
    }
  } finally {
    await Promise.allSettled(pending);
  }
}
