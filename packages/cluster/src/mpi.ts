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
/** Space for the name of a machine. */
const bytesOfHost = 256;
/** How long a rank leaves it to a lower one to report that another rank is missing, in milliseconds. */
const turn = 2000;

/** MPI's handle of an operation. */
type Request = Int32Array | BigInt64Array;

/** An operation that MPI has started, and the rank that it needs, if only one. */
interface Started {
  readonly request: Request;
  /** What MPI reads or writes until then; referenced here so that it is not freed. */
  readonly memory: Bytes;
  readonly rank?: number;
}

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
  #hosts: readonly string[] = [];
  readonly #napping = new Int32Array(new SharedArrayBuffer(4));

  /**
   * @param files libraries to try instead of the known ones, for MPI in an unusual location
   * @param limit the longest wait for the other ranks' names, in milliseconds
   * @throws ClusterError if no library loads, or only one that does not match the launcher
   */
  constructor(environment: NodeJS.ProcessEnv, files: readonly string[] | undefined, limit: number) {
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
    this.#hosts = this.#gatherHosts(limit);
  }

  broadcast(memory: Bytes, root: number, limit: number): void {
    const request = this.#request();
    this.#check('MPI_Ibcast', memory, memory.length, this.#byte, root, this.#world, request);
    this.#wait('a broadcast', limit, [{ request, memory }]);
  }

  /** By a message for each pair of ranks, so that a wait that takes too long can tell which rank's message is missing. */
  allToAll(sent: Pieces, received: Pieces, limit: number): void {
    const piece = ({ memory, offsets, counts }: Pieces, rank: number) =>
      memory.subarray(offsets[rank]!, offsets[rank]! + counts[rank]!);
    const others = Array.from({ length: this.size }, (_, rank) => rank).filter((rank) => rank !== this.rank);
    const start = (call: 'MPI_Irecv' | 'MPI_Isend', pieces: Pieces) =>
      others.map((rank) => {
        const request = this.#request();
        const memory = piece(pieces, rank);
        this.#check(call, memory, memory.length, this.#byte, rank, 0, this.#world, request);
        return { request, memory, rank };
      });
    const requests = [...start('MPI_Irecv', received), ...start('MPI_Isend', sent)];
    piece(received, this.rank).set(piece(sent, this.rank));
    this.#wait('an exchange', limit, requests);
  }

  abort(code: number): void {
    this.#functions.MPI_Abort(this.#world, code);
  }

  finalize(): void {
    this.#check('MPI_Finalize');
  }

  /** Memory for MPI's handle of an operation that it has started. */
  #request(): Request {
    const memory = new SharedArrayBuffer(8);
    return this.library.handle === 'int' ? new Int32Array(memory, 0, 1) : new BigInt64Array(memory);
  }

  /**
   * Polls until operations are done. Polling instead of waiting inside MPI means that the thread can give up, and that it
   * leaves the CPU to drivers that compute on it.
   */
  #wait(what: string, limit: number, started: readonly Started[]): void {
    let end = performance.now() + limit;
    let missing: readonly number[] | undefined;
    let looks = 0;
    for (const { request } of started) {
      while (!this.#isDone(request)) {
        if (looks++ < looksWithoutNap) continue;
        if (performance.now() > end) {
          if (missing) throw this.#tooLate(what, limit, missing);
          const ranks = new Set(started.flatMap((one) => (this.#isDone(one.request) ? [] : (one.rank ?? []))));
          missing = [...ranks].sort((one, other) => one - other);
          // The lowest of the waiting ranks reports it, and thereby ends the others.
          const lower = this.rank - missing.filter((rank) => rank < this.rank).length;
          end += lower * turn;
        }
        Atomics.wait(this.#napping, 0, 0, nap);
      }
    }
  }

  /** A request that is done is MPI's null request afterwards, which is done. */
  #isDone(request: Request): boolean {
    const done = [0];
    this.#check('MPI_Test', request, done, this.library.ignoredStatus);
    return done[0] !== 0;
  }

  #tooLate(what: string, limit: number, missing: readonly number[]): ClusterError {
    const whom = missing.map((rank) => `rank ${rank} on ${this.#hosts[rank]}`).join(', ') || 'the other ranks';
    const why = missing.length === 1 ? 'it hangs, is gone, or' : 'they hang, are gone, or';
    return new ClusterError(`waited ${limit / 1000} s for ${whom} in ${what}: ${why} cannot be reached`);
  }

  /** The names of all machines, by rank. */
  #gatherHosts(limit: number): string[] {
    const pieces = (): Pieces => ({
      memory: new Uint8Array(new SharedArrayBuffer(bytesOfHost * this.size)),
      counts: Array.from({ length: this.size }, () => bytesOfHost),
      offsets: Array.from({ length: this.size }, (_, rank) => rank * bytesOfHost),
    });
    const [sent, received] = [pieces(), pieces()];
    for (const offset of sent.offsets) sent.memory.set(Buffer.from(hostname()).subarray(0, bytesOfHost), offset);
    this.allToAll(sent, received, limit);
    return received.offsets.map((offset) =>
      Buffer.from(received.memory.slice(offset, offset + bytesOfHost))
        .toString()
        .replaceAll('\0', ''),
    );
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
