/**
 * The only thread that calls MPI: it opens the library, executes requests in their order, and answers each of them.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Mpi } from './mpi.js';
import { type Operation, operate } from './operations.js';
import type { Bytes } from './transport.js';

/** A request of the main thread. */
export type Asked =
  | { readonly id: number; readonly kind: 'operate'; readonly operation: Operation; readonly limit: number }
  | { readonly id: number; readonly kind: 'abort'; readonly code: number }
  | { readonly id: number; readonly kind: 'close' };

/** A message of the thread: first `opened`, then an answer to each request. */
export type Said =
  | { readonly kind: 'opened'; readonly rank: number; readonly size: number; readonly version: string }
  | { readonly kind: 'done'; readonly id: number; readonly received: readonly Bytes[] }
  /** `id` is missing if the library could not be opened. */
  | { readonly kind: 'failed'; readonly id?: number; readonly message: string };

/** The start data of the thread. */
export interface ThreadData {
  readonly libraries: readonly string[] | undefined;
  /** The longest wait for the other ranks, in milliseconds. */
  readonly limit: number;
}

const port = parentPort!;
const say = (said: Said) => port.postMessage(said);
const { libraries, limit } = workerData as ThreadData;

let opened: Mpi | undefined;
try {
  opened = new Mpi(process.env, libraries, limit);
  say({ kind: 'opened', rank: opened.rank, size: opened.size, version: opened.version });
} catch (error) {
  say({ kind: 'failed', message: (error as Error).message });
  port.close();
}

if (opened) {
  const mpi = opened;
  port.on('message', (asked: Asked) => {
    try {
      if (asked.kind === 'operate') {
        say({ kind: 'done', id: asked.id, received: operate(mpi, asked.operation, { limit: asked.limit }) });
        return;
      }
      if (asked.kind === 'abort') mpi.abort(asked.code);
      else mpi.finalize();
      say({ kind: 'done', id: asked.id, received: [] });
      port.close();
    } catch (error) {
      say({ kind: 'failed', id: asked.id, message: (error as Error).message });
    }
  });
}
