import { ConfigError } from '../errors.js';

/** One operation of a network at a time: they share the input, the labels and the results. */
export class Turns {
  readonly #name: string;
  #queue: Promise<unknown> = Promise.resolve();
  /** Ends when all that an operation left to be handed to the adapters is handed over. */
  #handover: Promise<unknown> = Promise.resolve();
  #handing = false;
  /** Why every operation is refused. */
  #end: Error | undefined;

  /** @param name the network's, for errors */
  constructor(name: string) {
    this.#name = name;
  }

  /** Why every operation is refused; nothing as long as none is. */
  get end(): Error | undefined {
    return this.#end;
  }

  /** Runs an operation after all that were asked for before it, and after what they left to be handed over. */
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
   * Keeps the next operation waiting for work that this one leaves to be handed to the adapters.
   *
   * @param inPieces whether something that is written at once would lie between the pieces of that work
   */
  handOver(done: Promise<unknown>, inPieces: boolean): void {
    this.#handing = inPieces;
    this.#handover = done
      .catch(() => undefined)
      .then(() => {
        this.#handing = false;
      });
  }

  /** For what is done at once, out of turn: throws where it would lie between the pieces of a step. */
  refuseWhileHanding(): void {
    this.#refuseAfterEnd();
    if (this.#handing) {
      throw new ConfigError(`${this.#name}: a step is under way on several adapters; wait for its result first`);
    }
  }

  /** Refuses every operation from now on; false where that is so already. */
  stop(reason: Error): boolean {
    if (this.#end) return false;
    this.#end = reason;
    return true;
  }

  #refuseAfterEnd(): void {
    if (this.#end) throw this.#end;
  }
}
