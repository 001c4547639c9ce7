import { ConfigError } from '../errors.js';

/** Runs one operation of a network at a time, because they share the input, the labels and the results. */
export class Turns {
  readonly #name: string;
  #queue: Promise<unknown> = Promise.resolve();
  /** Resolves when everything that the last operation left to submit has been submitted. */
  #handover: Promise<unknown> = Promise.resolve();
  #handing = false;
  /** Why every operation is refused. */
  #end: Error | undefined;

  /** @param name the network's, for errors */
  constructor(name: string) {
    this.#name = name;
  }

  /** Why every operation is refused; undefined while operations are accepted. */
  get end(): Error | undefined {
    return this.#end;
  }

  /** Runs an operation after all earlier ones, and after everything that they left to submit. */
  take<Result>(operation: () => Promise<Result>): Promise<Result> {
    if (this.#end) return Promise.reject(this.#end);
    const result = this.#queue
      .then(() => this.#handover)
      .then(() => {
        this.#refuseAfterEnd();
        return operation();
      });
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /**
   * Makes the next operation wait until this one's remaining work has been submitted.
   *
   * @param inPieces whether a write in between would affect the remaining pieces of that work
   */
  handOver(done: Promise<unknown>, inPieces: boolean): void {
    this.#handing = inPieces;
    this.#handover = done
      .catch(() => undefined)
      .then(() => {
        this.#handing = false;
      });
  }

  /** For writes that do not wait for their turn: throws if they would affect a step that is partly submitted. */
  refuseWhileHanding(): void {
    this.#refuseAfterEnd();
    if (this.#handing) {
      throw new ConfigError(`${this.#name}: a step is in flight on several adapters; wait for its result first`);
    }
  }

  /** Refuses every operation from now on; returns false if that was already so. */
  stop(reason: Error): boolean {
    if (this.#end) return false;
    this.#end = reason;
    return true;
  }

  #refuseAfterEnd(): void {
    if (this.#end) throw this.#end;
  }
}
