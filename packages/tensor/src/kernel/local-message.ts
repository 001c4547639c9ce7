import { platform } from '#platform';
import type { Gpu } from '../adapter/gpu.js';
import { type GPUBuffer, GPUBufferUsage, type GPUCommandEncoder, GPUMapMode } from '../platform/webgpu.js';
import { sleep } from '../sleep.js';
import { type Deferred, deferred } from './deferred.js';
import type { MakeMessage, Message, MessageEnds, Taken } from './message.js';

/**
 * Largest staging buffer in bytes. A larger tensor is sent in pieces, so that one piece moves to the host while another
 * moves from it.
 */
const mostBytesOfPiece = 8 * 2 ** 20;

/**
 * The fraction of the previous transfer time to the host to sleep through. While a promise of the adapter is pending,
 * the `webgpu` package busy-polls and takes a core away from a software driver.
 */
const sleptShare = 0.7;
/** Timers are only accurate to about a millisecond. */
const shortestSleep = 2;
/** The shortest of this many previous transfers is the prediction. */
const remembered = 3;

/** A part of a message: a staging buffer on the sending adapter, which the host can read. */
interface Piece {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** Messages within this process: the default. */
export const localMessage: MakeMessage = (ends, gpus) => new LocalMessage(ends, gpus[ends.from]!);

/**
 * A message between adapters of this process. WebGPU can only move data between devices through host memory: the values
 * are copied into their own staging buffer, mapped, and written to the other adapter's queue.
 */
class LocalMessage implements Message {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  readonly #sender: Gpu;
  readonly #pieces: readonly Piece[];
  /** Pieces that were sent but not received, with the time at which each became readable. */
  #sent = deferred<readonly Promise<number>[]>();
  #taken = deferred<void>();
  /** Milliseconds from sending until all pieces were readable, for the last messages. */
  #ways: number[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor({ label, from, to, bytes }: MessageEnds, sender: Gpu) {
    this.label = label;
    this.from = from;
    this.to = to;
    this.bytes = bytes;
    this.#sender = sender;
    this.#taken.resolve();
    this.#pieces = Array.from({ length: Math.ceil(bytes / mostBytesOfPiece) }, (_, index): Piece => {
      const offset = index * mostBytesOfPiece;
      const size = Math.min(mostBytesOfPiece, bytes - offset);
      const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
      return { buffer: sender.createBuffer({ label: `${label} in transit`, size, usage }), offset, size };
    });
  }

  free(): Promise<void> {
    return this.#taken.promise;
  }

  encode(encoder: GPUCommandEncoder, buffer: GPUBuffer, offset: number): void {
    for (const piece of this.#pieces) {
      encoder.copyBufferToBuffer(buffer, offset + piece.offset, piece.buffer, 0, piece.size);
    }
  }

  sent(): void {
    this.#taken = this.#next();
    const rested = this.#rest();
    const readable = this.#pieces.map(async ({ buffer }) => {
      await rested;
      // The buffer may have been destroyed: mapping it would be an error of an adapter that did nothing wrong.
      if (this.#failure) throw this.#failure.error;
      await buffer.mapAsync(GPUMapMode.READ);
      return performance.now();
    });
    const sent = performance.now();
    void Promise.all(readable).then(
      (times) => {
        this.#ways = [...this.#ways, Math.max(...times) - sent].slice(-remembered);
      },
      () => undefined,
    );
    for (const promise of readable) promise.catch(() => undefined);
    this.#sent.resolve(readable);
  }

  async take(write: (bytes: ArrayBuffer, offset: number) => void): Promise<Taken> {
    const readable = await this.#sent.promise;
    for (const [index, { buffer, offset }] of this.#pieces.entries()) {
      try {
        await readable[index];
      } catch (error) {
        this.#sender.check();
        throw error;
      }
      if (this.#failure) throw this.#failure.error;
      write(buffer.getMappedRange(), offset);
      buffer.unmap();
    }
    const [first] = await Promise.all(readable);
    this.#sent = this.#next();
    this.#taken.resolve();
    return { readable: first!, written: performance.now() };
  }

  /** Sleeps until the values are nearly there, if the sender is a software driver that is known to take long. */
  async #rest(): Promise<void> {
    if (!platform.pollsWhilePending) return;
    if (this.#sender.description.kind !== 'software' || this.#ways.length < remembered) return;
    const wait = sleptShare * Math.min(...this.#ways);
    if (wait >= shortestSleep) await sleep(wait);
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.#sent.reject(error);
    this.#taken.reject(error);
    this.#sent = this.#next();
    this.#taken = this.#next();
  }

  dispose(): void {
    for (const { buffer } of this.#pieces) this.#sender.destroyBuffer(buffer);
  }

  #next<Value>(): Deferred<Value> {
    const next = deferred<Value>();
    if (this.#failure) next.reject(this.#failure.error);
    return next;
  }
}
