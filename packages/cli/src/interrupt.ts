import { exitCode } from './failure.js';

/** Repeats within this many milliseconds are one: `npm` passes on a Ctrl-C that the terminal has sent already. */
const oneKeystroke = 300;

/** Turns Ctrl-C, and being asked to end, into a signal to stop; a second Ctrl-C quits at once. */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #onFirst: () => void;
  #first = 0;
  /** How the process should exit after it stopped for this reason. */
  code: number = exitCode.interrupted;

  /** @param onFirst says what is going on */
  constructor(onFirst: () => void) {
    this.#onFirst = onFirst;
    process.on('SIGINT', this.#receive).on('SIGTERM', this.#receive);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Gives Ctrl-C its usual meaning back. */
  dispose(): void {
    process.off('SIGINT', this.#receive).off('SIGTERM', this.#receive);
  }

  readonly #receive = (name: NodeJS.Signals) => {
    const code = name === 'SIGTERM' ? exitCode.terminated : exitCode.interrupted;
    const now = performance.now();
    if (!this.signal.aborted) {
      this.code = code;
      this.#first = now;
      this.#onFirst();
      this.#controller.abort();
    } else if (now - this.#first > oneKeystroke) {
      process.exit(code);
    }
  };
}
