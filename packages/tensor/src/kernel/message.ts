import type { Gpu } from '../adapter/gpu.js';
import type { GPUBuffer, GPUCommandEncoder } from '../adapter/webgpu.js';

/** What tells a message from all others, and its size. */
export interface MessageEnds {
  /** Both programs know the message by it: `conv3/input`. */
  readonly label: string;
  /** The number of the adapter that sends. */
  readonly from: number;
  /** The number of the adapter that receives. */
  readonly to: number;
  readonly bytes: number;
}

/**
 * One place in a program where one adapter hands values to another, in every run. It holds the values of one run at a time.
 * The sending program awaits `free`, calls `encode` for a submission and `sent` after it; the receiving one calls `take`.
 */
export interface Message extends MessageEnds {
  /** Waits until values can be sent: those of the run before were taken out of the sender's way. */
  free(): Promise<void>;
  /** Copies the values, which lie in `buffer` from `offset` bytes on, as a part of a submission of the sender. */
  encode(encoder: GPUCommandEncoder, buffer: GPUBuffer, offset: number): void;
  /** To be called when that submission was made. */
  sent(): void;
  /**
   * Waits for the values of the next run that were not taken yet, and hands them to `write` in one or several pieces, each
   * with its offset in bytes and valid only during the call.
   */
  take(write: (bytes: ArrayBuffer, offset: number) => void): Promise<Taken>;
  /** Ends all waiting, now and later, with this error. */
  fail(error: unknown): void;
  /** Frees what the message holds. */
  dispose(): void;
}

/** When values were taken, as `performance.now()` counts. */
export interface Taken {
  /** The first piece could be read. */
  readonly readable: number;
  /** The last piece was written. */
  readonly written: number;
}

/**
 * Makes the messages of an exchange: the one thing to replace where values take another way than through this process.
 *
 * @param gpus - the adapters by their numbers
 */
export type MakeMessage = (ends: MessageEnds, gpus: readonly Gpu[]) => Message;
