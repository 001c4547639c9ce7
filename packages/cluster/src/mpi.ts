import { hostname } from 'node:os';
import { ClusterError } from './errors.js';
import { launchedBy } from './launched.js';
import type { MpiLibrary } from './libraries.js';
import { type Handle, loadMpi, type MpiFunctions } from './load-mpi.js';
import type { Bytes, Pieces, Transport } from './transport.js';

/** How long the thread sleeps between two checks whether an operation is done, in milliseconds. */
const nap = 0.1;
/** The number of checks without sleeping: small messages arrive within them. */
const looksWithoutNap = 200;
/** `MPI_THREAD_MULTIPLE` in both `mpi.h`; whatever level is granted will do, since one thread makes every call. */
const multiple = 3;
/** `MPI_MAX_LIBRARY_VERSION_STRING` of MPICH, the larger of the two. */
const mostBytesOfText = 8192;

/** The machine's MPI, as used by one thread. Every operation blocks the thread until it is done or its time is up. */
export class Mpi implements Transport {
  readonly rank: number;
  readonly size: number;
  /** The library's own words, one line. */
  readonly version: string;
  readonly library: MpiLibrary;
  readonly #functions: MpiFunctions;
  readonly #world: Handle;
  readonly #byte: Handle;
  readonly #napping = new Int32Array(new SharedArrayBuffer(4));

  /**
   * @param files libraries to try instead of the known ones, for MPI in an unusual location
   * @throws ClusterError if no library loads, or only one that does not match the launcher
   */
  constructor(environment: NodeJS.ProcessEnv, files?: readonly string[]) {
    const launched = launchedBy(environment);
    const { library, functions, handle } = loadMpi(launched, files);
    this.library = library;
    this.#functions = functions;
    this.#world = handle(library.world);
    this.#byte = handle(library.byte);
    this.#check('MPI_Init_thread', null, null, multiple, [0]);
    this.#check('MPI_Comm_set_errhandler', this.#world, handle(library.returnErrors));
    this.rank = this.#number('MPI_Comm_rank');
    this.size = this.#number('MPI_Comm_size');
    this.version = this.#version();
    if (launched.size !== this.size) {
      throw new ClusterError(
        `${launched.by} started ${launched.size} processes, but ${this.library.name} (${this.version}) sees ${this.size}: ` +
          `they are of different kinds or versions. Start it by the mpirun that belongs to ${this.library.name}, or name the library that belongs to ${launched.by}`,
      );
    }
  }

  broadcast(memory: Bytes, root: number, limit: number): void {
    this.#wait('a broadcast', limit, (request) =>
      this.#check('MPI_Ibcast', memory, memory.length, this.#byte, root, this.#world, request),
    );
  }

  allToAll(sent: Pieces, received: Pieces, limit: number): void {
    // MPI reads counts and offsets until the operation is done, so they must not move; they are kept alive here.
    const lists = [sent.counts, sent.offsets, received.counts, received.offsets].map(fixed);
    this.#wait('an all-to-all exchange', limit, (request) =>
      this.#check(
        'MPI_Ialltoallv',
        ...[sent.memory, lists[0], lists[1], this.#byte],
        ...[received.memory, lists[2], lists[3], this.#byte],
        ...[this.#world, request],
      ),
    );
  }

  abort(code: number): void {
    this.#functions.MPI_Abort(this.#world, code);
  }

  finalize(): void {
    this.#check('MPI_Finalize');
  }

  /**
   * Starts an operation and polls until it is done. Polling instead of waiting inside MPI means that the thread can give up,
   * and that it leaves the CPU to drivers that compute on it.
   */
  #wait(what: string, limit: number, start: (request: Int32Array | BigInt64Array) => void): void {
    const memory = new SharedArrayBuffer(8);
    const request = this.library.handle === 'int' ? new Int32Array(memory, 0, 1) : new BigInt64Array(memory);
    start(request);
    const end = performance.now() + limit;
    const done = [0];
    for (let looks = 0; ; looks++) {
      this.#check('MPI_Test', request, done, this.library.ignoredStatus);
      if (done[0] !== 0) return;
      if (looks < looksWithoutNap) continue;
      if (performance.now() > end) {
        throw new ClusterError(
          `rank ${this.rank} on ${hostname()} waited ${limit / 1000} s for the other ranks in ${what}: one of them hangs, is gone, or cannot be reached`,
        );
      }
      Atomics.wait(this.#napping, 0, 0, nap);
    }
  }

  #number(name: 'MPI_Comm_rank' | 'MPI_Comm_size'): number {
    const value = [0];
    this.#check(name, this.#world, value);
    return value[0]!;
  }

  #version(): string {
    const text = Buffer.alloc(mostBytesOfText);
    const length = [0];
    this.#check('MPI_Get_library_version', text, length);
    return text.toString('utf8', 0, length[0]).split(/[\n,]/)[0]!.replace(/\s+/g, ' ').trim();
  }

  #check(name: keyof MpiFunctions, ...values: unknown[]): void {
    const code = this.#functions[name](...values);
    if (code === 0) return;
    const text = Buffer.alloc(mostBytesOfText);
    const length = [0];
    this.#functions.MPI_Error_string(code, text, length);
    throw new ClusterError(
      `${name} failed on ${hostname()}${this.rank === undefined ? '' : `, rank ${this.rank}`}: ${text.toString('utf8', 0, length[0])}`,
    );
  }
}

/** Whole numbers as C's `int`, in memory that the garbage collector does not move. */
function fixed(values: readonly number[]): Int32Array {
  const list = new Int32Array(new SharedArrayBuffer(4 * values.length));
  list.set(values);
  return list;
}
