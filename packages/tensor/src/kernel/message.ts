import type { Gpu } from '../adapter/gpu.js';
import type { GPUBuffer, GPUCommandEncoder } from '../platform/webgpu.js';

/** The identity and size of a message. */
export interface MessageEnds {
  /** The name of the message in both programs: `conv3/input`. */
  readonly label: string;
  /** The number of the sending adapter. */
  readonly from: number;
  /** The number of the receiving adapter. */
  readonly to: number;
  readonly bytes: number;
}

/**
 * A point in a program where one adapter sends values to another, in every run. It holds the values of one run at a
 * time. The sending program awaits `free`, calls `encode` for a submission and `sent` after it; the receiving one calls
 * `take`.
 */
export interface Message extends MessageEnds {
  /** Waits until values can be sent: those of the previous run have left the staging buffers. */
  free(): Promise<void>;
  /** Encodes a copy of the values, which start at `offset` bytes in `buffer`, as a part of the sender's submission. */
  encode(encoder: GPUCommandEncoder, buffer: GPUBuffer, offset: number): void;
  /** To be called after that submission. */
  sent(): void;
  /**
   * Waits for the next values that have not been received yet, and passes them to `write` in one or several pieces,
   * each with its offset in bytes and valid only during the call.
   */
  take(write: (bytes: ArrayBuffer, offset: number) => void): Promise<Taken>;
  /** Ends all waits, now and later, with this error. */
  fail(error: unknown): void;
  /** Frees the message's memory. */
  dispose(): void;
}

/** When values were received, by `performance.now()`. */
export interface Taken {
  /** The first piece became readable. */
  readonly readable: number;
  /** The last piece was written. */
  readonly written: number;
}

/**
 * Creates the messages of an exchange: the only thing to replace for transfers beyond this process.
 *
 * @param gpus - the adapters by their numbers
 */
export type MakeMessage = (ends: MessageEnds, gpus: readonly Gpu[]) => Message;
