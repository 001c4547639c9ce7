import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { AlexError, DataError } from '@alex/tensor';
import { checkOptions } from '@alex/tensor/kernels';
import { ownScript } from '../own-script.js';
import type { ShardMessage } from '../shard-process.js';
import type { ShardJob } from './shard.js';

/** A shard to make. It can be sent to another process (by `serialize` of `node:v8`), also of another machine that has the same files. */
export type ShardTask = Omit<ShardJob, 'lanes'>;

/** Options of {@link makeShards}. */
export interface MakeShardsOptions {
  /** Images to decode in parallel, over all processes. Default: the number of cores. */
  readonly workers?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called as images are done, in any order. */
  onImages(count: number): void;
  /** Called after each shard; an exception stops everything. */
  onShard(made: { readonly images: number; readonly rejected: number }): void;
}

/**
 * Decoding runs in libuv's threads, of which a process has four by default. One process for every four of them also has
 * enough room for the JavaScript in between, and keeps memory small.
 */
const lanesPerProcess = 4;
/** Each takes 165 MB: this many stay below 1 GiB, including the list of all ImageNet images, 430 MB. */
const mostProcesses = 3;

/**
 * Creates shards in separate processes of this machine, in any order. Those that exist already are only checked.
 *
 * @throws DataError if one cannot be created; the signal's reason if it stops the work.
 */
export async function makeShards(jobs: readonly ShardTask[], options: MakeShardsOptions): Promise<void> {
  checkOptions('makeShards', options, ['workers', 'signal', 'onImages', 'onShard']);
  const { workers = availableParallelism(), signal, onImages, onShard } = options;
  const count = Math.min(Math.ceil(workers / lanesPerProcess), mostProcesses, jobs.length);
  const lanes = Math.ceil(workers / Math.max(1, count));
  let next = 0;
  const processes: ChildProcess[] = [];
  const stop = new AbortController();
  const killAll = () => {
    for (const child of processes) child.kill('SIGKILL');
  };
  const abort = () => {
    stop.abort(signal?.reason);
    killAll();
  };
  signal?.throwIfAborted();
  signal?.addEventListener('abort', abort, { once: true });

  const work = async () => {
    const child = start(lanes);
    processes.push(child);
    try {
      while (next < jobs.length && !stop.signal.aborted) {
        onShard(await makeIn(child, { ...jobs[next++]!, lanes }, onImages));
      }
    } catch (error) {
      // Subsequent failures of the other processes are ignored.
      if (!stop.signal.aborted) stop.abort(error);
      killAll();
    } finally {
      child.kill('SIGKILL');
    }
  };
  try {
    await Promise.all(Array.from({ length: count }, work));
    stop.signal.throwIfAborted();
  } finally {
    signal?.removeEventListener('abort', abort);
    await Promise.all(processes.map((child) => (child.exitCode ?? child.signalCode) === null && once(child, 'exit')));
  }
}

function start(lanes: number): ChildProcess {
  const { url, execArgv } = ownScript('shard-process');
  return fork(fileURLToPath(url), {
    execArgv,
    env: { ...process.env, UV_THREADPOOL_SIZE: `${lanes}` },
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

function makeIn(
  child: ChildProcess,
  job: ShardJob,
  onImages: (count: number) => void,
): Promise<{ images: number; rejected: number }> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void) => {
      child.off('message', hear).off('exit', gone).off('error', reject);
      end();
    };
    const gone = (code: number | null, signal: NodeJS.Signals | null) =>
      settle(() =>
        reject(
          new AlexError(
            `the process that made ${job.shard} ended (${signal ?? `exit code ${code}`}), possibly out of memory: ` +
              'run the same command again, and it continues from there',
          ),
        ),
      );
    const hear = (message: ShardMessage) => {
      if (message.kind === 'images') onImages(message.count);
      else if (message.kind === 'made') settle(() => resolve(message));
      else {
        const { name, message: text } = message;
        settle(() => reject(name === 'DataError' ? new DataError(text) : new AlexError(`${job.shard}: ${text}`)));
      }
    };
    child.on('message', hear).on('exit', gone).on('error', reject);
    child.send(job);
  });
}
