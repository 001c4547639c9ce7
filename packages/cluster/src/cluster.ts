import { hostname } from 'node:os';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { checkFinite, checkOptions, kindOfArray } from '@alex/tensor/kernels';
import { ClusterError } from './errors.js';
import type { Asked, Said, ThreadData } from './mpi-thread.js';
import type { Operation, Wire } from './operations.js';
import { ownScript } from './own-script.js';
import type { Bytes } from './transport.js';

/** Options of {@link openCluster}. */
export interface ClusterOptions {
  /**
   * How long an operation may wait for the other ranks, in seconds. Default: 600, since ranks wait for each other while the
   * slowest of them compiles its kernels or evaluates.
   */
  readonly timeLimit?: number;
  /** Library files to load instead of the default ones: names that the dynamic loader finds, or paths. */
  readonly libraries?: readonly string[];
}

/** Options of {@link Cluster.sum}. */
export interface SumOptions {
  /** How values travel. `float16` halves the bytes: each value is rounded before it is sent, and each sum once more. Default: `float32`. */
  readonly wire?: Wire;
  /** A factor for each sum, rounded to float32. Default: 1. */
  readonly factor?: number;
}

/**
 * The processes that a launcher (`mpirun`, `srun`) started together: ranks. Every rank must call the same operations in the
 * same order; deviations are detected before any data is moved. Operations may be started without waiting for the previous one.
 *
 * Values in shared memory (`new Float32Array(new SharedArrayBuffer(bytes))`) are processed in place; others are copied.
 */
export interface Cluster {
  /** The number of this process, from 0. */
  readonly rank: number;
  /** The number of ranks. */
  readonly size: number;
  /** The name of this machine. */
  readonly host: string;
  /** The name that MPI reports: `Open MPI v4.1.4`. */
  readonly library: string;
  /** Waits for all ranks. */
  barrier(): Promise<void>;
  /** Gives every rank the bytes of `root`; arrays must be of the same length on all. */
  broadcast(bytes: Uint8Array, root?: number): Promise<Uint8Array>;
  /**
   * Adds up the values of all ranks, element by element, in rank order. All ranks get the same bits, which are also those of a
   * single process that adds the ranks' values in float32, from first to last.
   *
   * @returns the sums; they replace the given values
   */
  sum(values: Float32Array, options?: SumOptions): Promise<Float32Array>;
  /** Sends `pieces[r]` to rank r; returns what each rank sent to this one, by rank. Pieces may have any length. */
  allToAll(pieces: readonly Uint8Array[]): Promise<Uint8Array[]>;
  /** Gives rank `root` the bytes of every rank, by rank, of any length; the other ranks get an empty list. */
  gather(bytes: Uint8Array, root?: number): Promise<Uint8Array[]>;
  /** Gives every rank the bytes of every rank, by rank. */
  allGather(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** Ends all ranks, with this message on standard error if there is one. Does not return. */
  abort(message?: string): Promise<never>;
  /** Finalizes MPI. Every rank must call it; afterwards every operation is refused. */
  close(): Promise<void>;
}

/**
 * Joins the ranks of this launch, through the MPI library of this machine: Open MPI or MPICH, matching the launcher. Without a
 * launcher, this process is the only rank. A separate thread makes all MPI calls, so nothing here blocks. Call this before
 * adapters are opened.
 *
 * @throws ClusterError if no library can be loaded, or only one that does not match the launcher; ConfigError for an unknown option
 */
export async function openCluster(options: ClusterOptions = {}): Promise<Cluster> {
  checkOptions('openCluster', options, ['timeLimit', 'libraries']);
  const { timeLimit = 600, libraries } = options;
  if (!(typeof timeLimit === 'number' && timeLimit > 0))
    throw new ClusterError(`timeLimit must be a number of seconds above 0, got ${String(timeLimit)}`);
  const { url, execArgv } = ownScript('mpi-thread');
  const workerData: ThreadData = { libraries, limit: 1000 * timeLimit };
  // MPI reads the environment of the process, which launchers write to: the thread must not have a copy.
  const thread = new Worker(url, { execArgv, workerData, env: SHARE_ENV });
  const first = await new Promise<Said>((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
  });
  if (first.kind === 'failed') throw new ClusterError(first.message);
  if (first.kind !== 'opened') throw new ClusterError(`the MPI thread started with ${first.kind}`);
  return new OpenCluster(thread, first, 1000 * timeLimit);
}

class OpenCluster implements Cluster {
  readonly rank: number;
  readonly size: number;
  readonly host = hostname();
  readonly library: string;
  readonly #thread: Worker;
  readonly #limit: number;
  readonly #waiting = new Map<number, { resolve(received: Bytes[]): void; reject(error: unknown): void }>();
  #asked = 0;
  /** Why no operation is possible any more. */
  #end: ClusterError | undefined;

  constructor(thread: Worker, { rank, size, version }: Extract<Said, { kind: 'opened' }>, limit: number) {
    this.rank = rank;
    this.size = size;
    this.library = version;
    this.#thread = thread;
    this.#limit = limit;
    thread.on('message', (said: Said) => this.#hear(said));
    thread.on('error', (error) => this.#fail(new ClusterError(`the MPI thread ended: ${error.message}`)));
    thread.unref();
  }

  async barrier(): Promise<void> {
    await this.#operate({ kind: 'barrier' });
  }

  async broadcast(bytes: Uint8Array, root = 0): Promise<Uint8Array> {
    checkArray('broadcast', 'Uint8Array', bytes);
    const memory = shared(bytes);
    await this.#operate({ kind: 'broadcast', memory, root: this.#checkRank(root) });
    if (memory !== bytes) bytes.set(memory);
    return bytes;
  }

  async sum(values: Float32Array, options: SumOptions = {}): Promise<Float32Array> {
    checkArray('sum', 'Float32Array', values);
    checkOptions('sum', options, ['wire', 'factor']);
    const { wire = 'float32', factor = 1 } = options;
    checkFinite('sum', 'factor', factor);
    if (wire !== 'float32' && wire !== 'float16') {
      throw new ClusterError(`wire must be float32 or float16, got ${String(wire)}`);
    }
    const memory = shared(values);
    await this.#operate({ kind: 'sum', values: memory, wire, factor: Math.fround(factor) });
    if (memory !== values) values.set(memory);
    return values;
  }

  async allToAll(pieces: readonly Uint8Array[]): Promise<Uint8Array[]> {
    if (pieces?.length !== this.size) {
      throw new ClusterError(
        `allToAll takes a piece for each of the ${this.size} ranks, got ${pieces?.length ?? pieces}`,
      );
    }
    for (const piece of pieces) checkArray('allToAll', 'Uint8Array', piece);
    return this.#operate({ kind: 'allToAll', pieces: pieces.map(shared) });
  }

  async gather(bytes: Uint8Array, root = 0): Promise<Uint8Array[]> {
    checkArray('gather', 'Uint8Array', bytes);
    return this.#operate({ kind: 'gather', memory: shared(bytes), root: this.#checkRank(root) });
  }

  async allGather(bytes: Uint8Array): Promise<Uint8Array[]> {
    checkArray('allGather', 'Uint8Array', bytes);
    return this.#operate({ kind: 'allGather', memory: shared(bytes) });
  }

  async abort(message?: string): Promise<never> {
    if (message !== undefined) process.stderr.write(`rank ${this.rank} on ${this.host}: ${message}\n`);
    // MPI ends this process, too.
    await this.#answer((id) => ({ id, kind: 'abort', code: 1 }));
    process.exit(1);
  }

  async close(): Promise<void> {
    const end = this.#end;
    this.#end ??= new ClusterError('the cluster was closed');
    if (end) {
      await this.#thread.terminate();
      return;
    }
    const exited = new Promise((resolve) => this.#thread.once('exit', resolve));
    await this.#answer((id) => ({ id, kind: 'close' }));
    this.#thread.ref();
    await exited;
  }

  async #operate(operation: Operation): Promise<Bytes[]> {
    if (this.#end) throw this.#end;
    return this.#answer((id) => ({ id, kind: 'operate', operation, limit: this.#limit }));
  }

  #answer(asked: (id: number) => Asked): Promise<Bytes[]> {
    const id = ++this.#asked;
    // An idle cluster does not keep the process alive.
    this.#thread.ref();
    const answer = new Promise<Bytes[]>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#thread.postMessage(asked(id));
    });
    const rest = () => {
      if (this.#waiting.size === 0) this.#thread.unref();
    };
    answer.then(rest, rest);
    return answer;
  }

  #hear(said: Said): void {
    if (said.kind === 'opened') return;
    if (said.kind === 'failed') {
      // After a failed operation, a rank does not know the state of the others.
      this.#fail(new ClusterError(said.message));
      return;
    }
    this.#waiting.get(said.id)?.resolve([...said.received]);
    this.#waiting.delete(said.id);
  }

  #fail(error: ClusterError): void {
    this.#end ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #checkRank(rank: number): number {
    if (Number.isInteger(rank) && rank >= 0 && rank < this.size) return rank;
    throw new ClusterError(`root must be a rank from 0 to ${this.size - 1}, got ${String(rank)}`);
  }
}

function checkArray(operation: string, kind: 'Uint8Array' | 'Float32Array', values: unknown): void {
  if (kindOfArray(values) === kind) return;
  throw new ClusterError(`${operation} takes a ${kind}, got ${kindOfArray(values)}; use ${kind}.from(values)`);
}

/** The values themselves if they are in shared memory, otherwise a copy in shared memory. */
function shared<Values extends Uint8Array | Float32Array>(
  values: Values,
): Values extends Uint8Array ? Bytes : Float32Array<SharedArrayBuffer> {
  if (values.buffer instanceof SharedArrayBuffer) return values as never;
  const memory = new SharedArrayBuffer(values.byteLength);
  const copy = values instanceof Uint8Array ? new Uint8Array(memory) : new Float32Array(memory);
  copy.set(values);
  return copy as never;
}
