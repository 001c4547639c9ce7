/** Memory that the main thread and the thread of MPI share. */
export type Bytes = Uint8Array<SharedArrayBuffer>;

/** What goes to each rank, or comes from it: how many bytes, and where they begin in the memory. */
export interface Pieces {
  readonly memory: Bytes;
  readonly counts: readonly number[];
  readonly offsets: readonly number[];
}

/**
 * What operations are made of. All ranks must call the same in the same order; a call returns when its own part is done.
 *
 * `limit` is how long it may wait, in milliseconds.
 */
export interface Transport {
  readonly rank: number;
  readonly size: number;
  /** What rank r has for rank q becomes what rank q has from rank r. No count or offset is 2^31 or more. */
  allToAll(sent: Pieces, received: Pieces, limit: number): void;
  /** Every rank gets the bytes of `root`: fewer than 2^31. */
  broadcast(memory: Bytes, root: number, limit: number): void;
}
