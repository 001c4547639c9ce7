import type { Gpu } from '../adapter/gpu.js';
import { type GPUBuffer, GPUBufferUsage, type GPUCommandEncoder, GPUMapMode } from '../adapter/webgpu.js';
import { type Deferred, deferred } from './deferred.js';
import type { MakeMessage, Message, MessageEnds, Taken } from './message.js';

/**
 * The most bytes of a staging buffer. What is larger goes in pieces, so that one is on its way to the host while another is
 * on its way from it.
 */
const mostBytesOfPiece = 8 * 2 ** 20;

/**
 * How much of the time that values needed before, on their way to the host, is slept through. While a promise of the adapter
 * is pending, the `webgpu` package polls without a pause, and takes a core away from a driver that computes on the processor.
 */
const sleptShare = 0.7;
/** Timers are no more exact than about a millisecond. */
const shortestSleep = 2;
/** Of so many last ways, the shortest tells. */
const remembered = 3;

/** A part of a message: a staging buffer on the adapter that sends, which the host can read. */
interface Piece {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** Messages within this process: the default. */
export const localMessage: MakeMessage = (ends, gpus) => new LocalMessage(ends, gpus[ends.from]!);

/**
 * A message between adapters of this process. WebGPU has no way between devices but the memory of the host: the values are
 * copied into a staging buffer of their own, mapped, and written to the other's queue.
 */
class LocalMessage implements Message {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  readonly #sender: Gpu;
  readonly #pieces: readonly Piece[];
  /** What was sent and not taken: when each piece could be read. */
  #sent = deferred<readonly Promise<number>[]>();
  #taken = deferred<void>();
  /** Milliseconds from sending until all could be read, the last times. */
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
      return { buffer: sender.createBuffer({ label: `${label} on its way`, size, usage }), offset, size };
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
      // The buffer may be gone by now: to map it would be an error of an adapter that has done nothing wrong.
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

  /** Sleeps until the values are nearly there, where an adapter that computes on the processor is known to take long. */
  async #rest(): Promise<void> {
    if (this.#sender.description.kind !== 'software' || this.#ways.length < remembered) return;
    const sleep = sleptShare * Math.min(...this.#ways);
    if (sleep >= shortestSleep) await new Promise((resolve) => setTimeout(resolve, sleep));
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
