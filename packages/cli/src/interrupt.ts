import { constants } from 'node:os';
import { exitCode } from './failure.js';

/** Repeats within this many milliseconds are one: `npm` passes on a Ctrl-C that the terminal has sent already. */
const oneKeystroke = 300;

/**
 * What asks a training to end: Ctrl-C, `kill`, a closed terminal or lost connection, and what schedulers send some time
 * before they kill (Slurm's `--signal`, a limit on processor time). Systems that lack one never send it.
 */
const requests = ['SIGINT', 'SIGBREAK', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGXCPU'] as const;

/** How a process exits that a signal ended: 128 and its number, as shells have it. */
function codeOf(signal: NodeJS.Signals): number {
  return 128 + (constants.signals[signal] ?? 0);
}

/** Turns the signals that ask a command to end into one to stop; a second Ctrl-C quits at once. */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #onFirst: (signal: NodeJS.Signals) => void;
  #first = 0;
  /** How the process should exit after it stopped for this reason. */
  code: number = exitCode.interrupted;

  /** @param onFirst says what happens now */
  constructor(onFirst: (signal: NodeJS.Signals) => void) {
    this.#onFirst = onFirst;
    for (const signal of requests) process.on(signal, this.#receive);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Gives the signals their usual meaning back. */
  dispose(): void {
    for (const signal of requests) process.off(signal, this.#receive);
  }

  readonly #receive = (signal: NodeJS.Signals) => {
    const now = performance.now();
    if (!this.signal.aborted) {
      this.code = codeOf(signal);
      this.#first = now;
      this.#onFirst(signal);
      this.#controller.abort();
      return;
    }
    // A scheduler's warning is followed by SIGTERM, a lost connection by several signals: only people lose patience.
    const insists = signal === 'SIGINT' || signal === 'SIGBREAK' || (signal === 'SIGTERM' && this.#byPerson);
    if (insists && now - this.#first > oneKeystroke) process.exit(codeOf(signal));
  };

  /** Whether a person, at a terminal, asked first. */
  get #byPerson(): boolean {
    return this.code === exitCode.interrupted || this.code === exitCode.terminated;
  }
}

/** Node opens its debugger at SIGUSR1, and runs on; a scheduler means that the process is to end. */
export function endAtUserSignal(): void {
  process.on('SIGUSR1', () => {
    // Where something is to be saved first, somebody else listens too.
    if (process.listenerCount('SIGUSR1') === 1) process.exit(codeOf('SIGUSR1'));
  });
}
