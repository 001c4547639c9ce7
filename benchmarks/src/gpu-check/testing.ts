import { execFileSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { finished } from 'node:stream/promises';

/** What a test learns through a named pipe about the processes that hold it open. */
export interface NamedPipe {
  readonly path: string;
  /** Resolves at the first word. */
  readonly said: Promise<void>;
  /** Resolves when all of them have ended. */
  readonly ended: Promise<void>;
}

/** Creates a named pipe. A shell's `exec 3> PATH` opens it for itself and its children, and waits until the test listens. */
export function namedPipe(path: string): NamedPipe {
  execFileSync('mkfifo', [path]);
  const stream = createReadStream(path);
  return { path, said: new Promise((resolve) => stream.once('data', () => resolve())), ended: finished(stream) };
}

/** More milliseconds than any process takes: the largest value that timers support. */
export const never = 2 ** 31 - 1;
