/**
 * Has the next value made while this one is used: one ahead, in order. An error comes where its value would have come;
 * leaving the loop early lets the value under way finish and closes the source.
 */
export async function* prefetch<T>(source: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const ask = () => {
    const next = iterator.next();
    // It is awaited later or, after an early end, not at all: until then its failure is no unhandled one.
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
