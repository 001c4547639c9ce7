/** Memory shared by the main thread and the MPI thread. */
export type Bytes = Uint8Array<SharedArrayBuffer>;

/** The data for or from each rank: the number of bytes, and their offset in the memory. */
export interface Pieces {
  readonly memory: Bytes;
  readonly counts: readonly number[];
  readonly offsets: readonly number[];
}

/**
 * The basic communication calls. All ranks must make the same calls in the same order; a call returns when its own part
 * is done.
 *
 * `limit` is the longest wait, in milliseconds.
 */
export interface Transport {
  readonly rank: number;
  readonly size: number;
  /**
   * Exchanges pieces between all ranks: rank q receives from rank r what rank r sends to rank q. Every count and offset
   * is below 2^31.
   */
  allToAll(sent: Pieces, received: Pieces, limit: number): void;
  /** Every rank gets the bytes of `root`: fewer than 2^31. */
  broadcast(memory: Bytes, root: number, limit: number): void;
}
