import { fromHalves, toHalves } from '@alex/tensor/kernels';
import { ClusterError } from './errors.js';
import type { Bytes, Pieces, Transport } from './transport.js';

/** How values are sent: as they are, or rounded to 16 bits (and summed in 32). */
export type Wire = 'float32' | 'float16';

/** A joint operation of all ranks, as a message to the MPI thread. */
export type Operation =
  | { readonly kind: 'barrier' }
  | { readonly kind: 'broadcast'; readonly memory: Bytes; readonly root: number }
  | { readonly kind: 'allToAll'; readonly pieces: readonly Bytes[] }
  | { readonly kind: 'gather'; readonly memory: Bytes; readonly root: number }
  | { readonly kind: 'allGather'; readonly memory: Bytes }
  | {
      readonly kind: 'sum';
      readonly values: Float32Array<SharedArrayBuffer>;
      readonly wire: Wire;
      /** A float32 factor for each sum. */
      readonly factor: number;
    };

/** What must agree on all ranks before an operation starts. */
interface Intent {
  readonly kind: Operation['kind'];
  readonly bytes?: number;
  readonly root?: number;
  readonly wire?: Wire;
  readonly factor?: number;
}

/** Space for an {@link Intent} as JSON. */
const bytesOfIntent = 128;

/**
 * MPI counts in `int`, so large operations are done in rounds. A round moves at most this many bytes into a rank, and out of
 * it.
 */
const bytesOfRound = 64 * 2 ** 20;

/** The longest wait of an operation, in milliseconds, and the bytes of a round. */
export interface OperateOptions {
  readonly limit: number;
  /** Default: 64 MiB. */
  readonly bytesOfRound?: number;
}

/**
 * Performs an operation. Before it, the ranks exchange what they are about to do: if they differ, that is an error that names
 * them, instead of an endless wait or wrong values.
 *
 * @returns the result by rank, if the operation has one
 */
export function operate(transport: Transport, operation: Operation, options: OperateOptions): readonly Bytes[] {
  return new Operations(transport, options).do(operation);
}

class Operations {
  readonly #transport: Transport;
  readonly #limit: number;
  readonly #bytesOfRound: number;

  constructor(transport: Transport, options: OperateOptions) {
    this.#transport = transport;
    this.#limit = options.limit;
    this.#bytesOfRound = options.bytesOfRound ?? bytesOfRound;
  }

  do(operation: Operation): readonly Bytes[] {
    const { rank } = this.#transport;
    switch (operation.kind) {
      case 'barrier':
        this.#agree({ kind: 'barrier' });
        return [];
      case 'broadcast':
        this.#agree({ kind: 'broadcast', bytes: operation.memory.length, root: operation.root });
        this.#broadcast(operation.memory, operation.root);
        return [];
      case 'allToAll':
        this.#agree({ kind: 'allToAll' });
        return this.#exchange(operation.pieces);
      case 'gather': {
        const { memory, root } = operation;
        this.#agree({ kind: 'gather', root });
        const received = this.#exchange(this.#byRank((to) => (to === root ? memory : memory.subarray(0, 0))));
        return rank === root ? received : [];
      }
      case 'allGather':
        this.#agree({ kind: 'allGather' });
        return this.#exchange(this.#byRank(() => operation.memory));
      case 'sum': {
        const { values, wire, factor } = operation;
        this.#agree({ kind: 'sum', bytes: values.byteLength, wire, factor });
        this.#sum(values, wire, factor);
        return [];
      }
    }
  }

  #agree(intent: Intent): void {
    const own = sharedBytes(bytesOfIntent);
    own.set(Buffer.from(JSON.stringify(intent)));
    const said = this.#sendToAll(own).map((bytes) => Buffer.from(bytes).toString('utf8').replaceAll('\0', ''));
    const { rank } = this.#transport;
    const other = said.findIndex((intent) => intent !== said[rank]);
    if (other < 0) return;
    throw new ClusterError(
      `the ranks differ: rank ${rank} is about to do ${said[rank]}, rank ${other} to do ${said[other]}`,
    );
  }

  #broadcast(memory: Bytes, root: number): void {
    for (let first = 0; first < memory.length; first += this.#bytesOfRound) {
      this.#transport.broadcast(memory.subarray(first, first + this.#bytesOfRound), root, this.#limit);
    }
  }

  /** Sends a piece of any length to each rank; returns the received pieces, by rank. */
  #exchange(pieces: readonly Bytes[]): Bytes[] {
    const { size } = this.#transport;
    const lengths = new Float64Array(new SharedArrayBuffer(8 * size));
    lengths.set(pieces.map(({ length }) => length));
    const table = this.#sendToAll(bytesOf(lengths)).map(
      (bytes) => new Float64Array(bytes.slice().buffer as ArrayBuffer),
    );
    const received = this.#byRank((from) => sharedBytes(table[from]![this.#transport.rank]!));
    const longest = Math.max(...table.flatMap((lengths) => [...lengths]));
    const most = Math.max(1, Math.floor(this.#bytesOfRound / size));
    for (let first = 0; first < longest; first += most) {
      const part = (bytes: Bytes) => bytes.subarray(first, first + most);
      const arrived = this.#round(
        pieces.map(part),
        received.map((bytes) => part(bytes).length),
      );
      for (const [from, bytes] of arrived.entries())
        received[from]!.set(bytes, Math.min(first, received[from]!.length));
    }
    return received;
  }

  /** Sends bytes, of the same length on all ranks, to all ranks. */
  #sendToAll(own: Bytes): Bytes[] {
    return this.#round(
      this.#byRank(() => own),
      this.#byRank(() => own.length),
    );
  }

  /** One MPI call: a piece to each rank, and one from each, with known lengths. */
  #round(sent: readonly Bytes[], lengths: readonly number[]): Bytes[] {
    const from = packed(sent.map(({ length }) => length));
    for (const [to, piece] of sent.entries()) from.memory.set(piece, from.offsets[to]!);
    const to = packed(lengths);
    this.#transport.allToAll(from, to, this.#limit);
    return to.counts.map((count, rank) => to.memory.subarray(to.offsets[rank]!, to.offsets[rank]! + count));
  }

  /**
   * Adds up the values of all ranks in rank order, for any number of ranks: each rank adds up a slice, then all get all
   * slices. MPI's own reduction does not guarantee an order.
   */
  #sum(values: Float32Array<SharedArrayBuffer>, wire: Wire, factor: number): void {
    const { size } = this.#transport;
    const most = Math.max(1, Math.floor(this.#bytesOfRound / 4));
    for (let first = 0; first < values.length; first += most) {
      const chunk = values.subarray(first, first + most);
      const bounds = Array.from({ length: size + 1 }, (_, rank) => Math.floor((chunk.length * rank) / size));
      const slice = (rank: number) => chunk.subarray(bounds[rank]!, bounds[rank + 1]!);
      const own = slice(this.#transport.rank);
      const addends = this.#round(
        this.#byRank((to) => encoded(slice(to), wire)),
        this.#byRank(() => encodedLength(own.length, wire)),
      );
      own.fill(0);
      for (const [rank, addend] of addends.entries()) {
        const theirs = decoded(addend, own.length, wire);
        if (rank === 0) own.set(theirs);
        else for (let i = 0; i < own.length; i++) own[i]! += theirs[i]!;
      }
      if (factor !== 1) for (let i = 0; i < own.length; i++) own[i]! *= factor;
      const sum = encoded(own, wire);
      const sums = this.#round(
        this.#byRank(() => sum),
        this.#byRank((from) => encodedLength(slice(from).length, wire)),
      );
      for (const [rank, bytes] of sums.entries()) slice(rank).set(decoded(bytes, slice(rank).length, wire));
    }
  }

  #byRank<Value>(make: (rank: number) => Value): Value[] {
    return Array.from({ length: this.#transport.size }, (_, rank) => make(rank));
  }
}

function sharedBytes(length: number): Bytes {
  return new Uint8Array(new SharedArrayBuffer(length));
}

function bytesOf(values: Float32Array<SharedArrayBuffer> | Float64Array<SharedArrayBuffer>): Bytes {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Memory for pieces of these lengths, one after the other. */
function packed(counts: readonly number[]): Pieces {
  let end = 0;
  const offsets = counts.map((count) => {
    const offset = end;
    // Values are read where they arrive, so they are aligned for floats.
    end += Math.ceil(count / 8) * 8;
    return offset;
  });
  return { memory: sharedBytes(end), counts, offsets };
}

function encodedLength(values: number, wire: Wire): number {
  return wire === 'float32' ? 4 * values : 4 * Math.ceil(values / 2);
}

function encoded(values: Float32Array<SharedArrayBuffer>, wire: Wire): Bytes {
  if (wire === 'float32') return bytesOf(values);
  const halves = toHalves(values);
  const bytes = sharedBytes(halves.byteLength);
  bytes.set(new Uint8Array(halves.buffer));
  return bytes;
}

function decoded(bytes: Bytes, length: number, wire: Wire): Float32Array {
  if (wire === 'float32') return new Float32Array(bytes.buffer, bytes.byteOffset, length);
  return fromHalves(new Uint16Array(bytes.buffer, bytes.byteOffset, length));
}
