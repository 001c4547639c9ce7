/** A promise and the ways to settle it. */
export interface Deferred<Value> {
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: unknown): void;
}

/** A promise to be settled from outside; a failure that nobody waits for is not reported. */
export function deferred<Value>(): Deferred<Value> {
  let settle!: Pick<Deferred<Value>, 'resolve' | 'reject'>;
  const promise = new Promise<Value>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Callers that wait for it see a failure; possibly nobody waits.
  promise.catch(() => undefined);
  return { promise, ...settle };
}
