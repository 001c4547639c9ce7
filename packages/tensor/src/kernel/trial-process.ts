import { platform } from '#platform';
import type { Gpu } from '../adapter/gpu.js';
import type { SeparateProcess } from '../platform/platform.js';
import { messageOf } from './examiner.js';
import type { Tunable } from './recorder.js';
import type { TrialJob, TrialMessage } from './serve-trials.js';
import { TunableWriter, type WrittenChoice } from './written-tunable.js';

/** The result of trying a candidate in a separate process. */
export interface Verdict {
  readonly choice: unknown;
  /** Undefined if its results are correct. */
  readonly fault: string | undefined;
  /** Whether it crashed the process, lost the adapter, or never ended. */
  readonly dangerous: boolean;
}

export interface TrialProcessOptions {
  /** What the process runs; default: the one of this package. */
  readonly script?: URL | undefined;
  /**
   * Resolves when a candidate, or the start before the first one, counts as hanging, unless the signal is aborted before.
   * Default: after two minutes.
   */
  readonly overdue?: ((choice: unknown, signal: AbortSignal) => Promise<unknown>) | undefined;
}

/** More than any kernel takes to compile and run, on any driver. */
const hangingMilliseconds = 120_000;

/** Signals that end a process from outside; everything else is caused by the candidate. */
const fromOutside: readonly (string | null)[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGKILL'];

const withoutProcesses = 'cannot be tried in a separate process, which a browser does not have';

/** How far a process got with one job. */
interface Attempt {
  /** What was wrong with the candidates that it tried, by their numbers. */
  readonly faults: ReadonlyMap<number, string | undefined>;
  /** Why it did not finish, and which candidate is to blame. */
  readonly ended?: { readonly how: string; readonly blamed: number | undefined };
}

/**
 * Tries candidates in another process that opens the same adapter, so that a crash ends only that process. It starts
 * with the first candidate and serves until the end; after a bad candidate, it is replaced by a new one.
 */
export class TrialProcess {
  readonly #gpu: Gpu;
  readonly #options: TrialProcessOptions;
  #child: SeparateProcess | undefined;

  constructor(gpu: Gpu, options: TrialProcessOptions = {}) {
    this.#gpu = gpu;
    this.#options = options;
  }

  /**
   * Tries candidates one after another. Those that are left when the signal aborts get no verdict. None gets one if the
   * plain choice cannot be recorded.
   */
  async *try(
    tunable: Tunable<unknown>,
    candidates: readonly unknown[],
    signal?: AbortSignal | undefined,
  ): AsyncGenerator<Verdict> {
    const { startProcess } = platform;
    if (!startProcess) {
      for (const choice of candidates) yield { choice, fault: withoutProcesses, dangerous: false };
      return;
    }
    const writer = new TunableWriter(this.#gpu, tunable);
    let plain: WrittenChoice;
    try {
      plain = writer.write(tunable.plain);
    } catch {
      return;
    }
    let rest: { readonly choice: unknown; readonly written: WrittenChoice }[] = [];
    for (const choice of candidates) {
      try {
        rest.push({ choice, written: writer.write(choice) });
      } catch (error) {
        yield { choice, fault: messageOf(error), dangerous: false };
      }
    }
    while (rest.length > 0 && !signal?.aborted) {
      const written = writer.tunable(
        plain,
        rest.map((one) => one.written),
      );
      const { faults, ended } = await this.#attempt(startProcess, written, (number) => rest[number]?.choice, signal);
      for (const [number, fault] of faults) yield { choice: rest[number]!.choice, fault, dangerous: false };
      if (signal?.aborted) return;
      const untried = rest.filter((_, number) => !faults.has(number) && number !== ended?.blamed);
      if (ended?.blamed !== undefined) yield { choice: rest[ended.blamed]!.choice, fault: ended.how, dangerous: true };
      else if (ended) {
        const fault = `cannot be tried in a separate process, which ${ended.how}`;
        for (const { choice } of untried) yield { choice, fault, dangerous: false };
        return;
      }
      rest = untried;
    }
  }

  /** Ends the process, if there is one. */
  async end(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || (child.exitCode ?? child.signalCode) !== null) return;
    const gone = new Promise<void>((resolve) => child.on('exit', () => resolve()));
    child.kill('SIGKILL');
    await gone;
  }

  async #attempt(
    start: NonNullable<typeof platform.startProcess>,
    tunable: TrialJob['tunable'],
    choiceOf: (number: number) => unknown,
    signal: AbortSignal | undefined,
  ): Promise<Attempt> {
    const faults = new Map<number, string | undefined>();
    const child = this.#child?.connected ? this.#child : start(this.#options.script);
    this.#child = child;
    const { index, name, driver, bus } = this.#gpu.description;
    const adapter = { index, name, driver, ...(bus !== undefined && { bus }) };
    const job: TrialJob = { adapter, bindingBytes: this.#gpu.bindingBytes, tunable };
    const ended = await new Promise<Attempt['ended']>((resolve) => {
      let trying: number | undefined;
      let watch = new AbortController();
      const settle = (ended: Attempt['ended']) => {
        watch.abort();
        child.off('message', hear).off('close', gone).off('error', failed);
        signal?.removeEventListener('abort', stop);
        resolve(ended);
      };
      const settleWith = (how: string) => settle({ how, blamed: trying });
      /** The next message must arrive in time. */
      const watchOut = () => {
        watch.abort();
        watch = new AbortController();
        const { signal } = watch;
        const { overdue = hangs } = this.#options;
        overdue(trying === undefined ? undefined : choiceOf(trying), signal).then(
          () => signal.aborted || settleWith('does not finish'),
          () => undefined,
        );
      };
      const hear = (received: unknown) => {
        const message = received as TrialMessage;
        if (message.kind === 'trying') {
          trying = message.candidate;
          watchOut();
        } else if (message.kind === 'tried') {
          faults.set(message.candidate, message.fault);
          trying = undefined;
          watchOut();
        } else if (message.kind === 'done') settle(undefined);
        else if (message.kind === 'lost') settleWith(`loses the adapter: ${message.reason}`);
        else settle({ how: `says: ${message.reason}`, blamed: undefined });
      };
      const gone = (code: number | null, by: string | null) => {
        const sign = by ?? `exit code ${code}`;
        if (trying === undefined || fromOutside.includes(by)) settle({ how: `ended (${sign})`, blamed: undefined });
        else settleWith(`crashes its process (${sign})`);
      };
      const failed = (error: Error) => settle({ how: `does not start: ${error.message}`, blamed: undefined });
      const stop = () => settle({ how: 'was stopped', blamed: undefined });
      // Not at its exit: its last messages may still be in transit then.
      child.on('message', hear).on('close', gone).on('error', failed);
      signal?.addEventListener('abort', stop);
      child.send(job, (error) => error && failed(error));
      watchOut();
    });
    if (ended) await this.end();
    return { faults, ...(ended && { ended }) };
  }
}

const hangs = (_: unknown, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, hangingMilliseconds);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
