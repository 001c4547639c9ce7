import { constants } from 'node:os';
import { exitCode } from './failure.js';

/** Repeats within this many milliseconds count as one: `npm` forwards a Ctrl-C that the terminal has already sent. */
const oneKeystroke = 300;

/**
 * Signals that ask a training run to end: Ctrl-C, Ctrl-\, `kill`, a closed terminal or lost connection, and those that
 * schedulers send some time before they kill a job (Slurm's `--signal`, a limit on CPU time). Systems that lack one
 * never send it.
 */
const requests = ['SIGINT', 'SIGBREAK', 'SIGQUIT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGXCPU'] as const;

/** Those that are sent by keys. */
const keys: readonly NodeJS.Signals[] = ['SIGINT', 'SIGBREAK', 'SIGQUIT'];

/** The exit code of a process ended by a signal: 128 plus its number, as in shells. */
function codeOf(signal: NodeJS.Signals): number {
  return 128 + (constants.signals[signal] ?? 0);
}

/** Turns signals that ask a command to end into an abort signal; a second Ctrl-C quits immediately. */
export class Interruption {
  readonly #controller = new AbortController();
  readonly #onFirst: (signal: NodeJS.Signals) => void;
  #first = 0;
  /** The exit code after the command has stopped for this reason. */
  code: number = exitCode.interrupted;

  /** @param onFirst tells the user what happens now */
  constructor(onFirst: (signal: NodeJS.Signals) => void) {
    this.#onFirst = onFirst;
    for (const signal of requests) process.on(signal, this.#receive);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Restores the signals' default behaviour. */
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
    // A scheduler's warning is followed by SIGTERM, and a lost connection by several signals: only users are impatient.
    const insists = keys.includes(signal) || (signal === 'SIGTERM' && this.#byPerson);
    if (insists && now - this.#first > oneKeystroke) process.exit(codeOf(signal));
  };

  /** Whether the first request came from a user at a terminal. */
  get #byPerson(): boolean {
    return [exitCode.interrupted, exitCode.terminated, codeOf('SIGQUIT')].includes(this.code);
  }
}

/** On SIGUSR1, Node opens its debugger and continues; a scheduler means that the process should end. */
export function endAtUserSignal(): void {
  process.on('SIGUSR1', () => {
    // If something has to be saved first, another listener handles the signal.
    if (process.listenerCount('SIGUSR1') === 1) process.exit(codeOf('SIGUSR1'));
  });
}
