import type { Gpu } from '../adapter/gpu.js';
import { type GPUBuffer, GPUBufferUsage, type GPUCommandEncoder, GPUMapMode } from '../adapter/webgpu.js';
import { ConfigError } from '../errors.js';

/**
 * The most bytes of a staging buffer. What is larger goes in pieces, so that one is on its way to the host while another is
 * on its way from it.
 */
const mostBytesOfPiece = 8 * 2 ** 20;

/** A promise and the ways to settle it. */
interface Deferred<Value> {
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: unknown): void;
}

function deferred<Value>(): Deferred<Value> {
  let settle!: Pick<Deferred<Value>, 'resolve' | 'reject'>;
  const promise = new Promise<Value>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Who waits for it hears of a failure; nobody may.
  promise.catch(() => undefined);
  return { promise, ...settle };
}

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

/**
 * One place in a program where one adapter hands values to another, in every run. WebGPU has no way between devices but the
 * memory of the host: the values are copied into a staging buffer of their own, mapped, and written to the other's queue.
 * A message holds the values of one run at a time.
 */
export class Message {
  readonly #sender: Gpu;
  readonly #pieces: readonly Piece[];
  /** What was sent and not taken: when each piece could be read. */
  #sent = deferred<readonly Promise<number>[]>();
  #taken = deferred<void>();
  /** Milliseconds from sending until all could be read, the last times. */
  #ways: number[] = [];
  #failure: { readonly error: unknown } | undefined;

  constructor(
    readonly label: string,
    /** The number of the adapter that sends. */
    readonly from: number,
    readonly bytes: number,
    sender: Gpu,
  ) {
    this.#sender = sender;
    this.#taken.resolve();
    this.#pieces = Array.from({ length: Math.ceil(bytes / mostBytesOfPiece) }, (_, index): Piece => {
      const offset = index * mostBytesOfPiece;
      const size = Math.min(mostBytesOfPiece, bytes - offset);
      const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
      return { buffer: sender.createBuffer({ label: `${label} on its way`, size, usage }), offset, size };
    });
  }

  /** Waits until the values of the run before were taken. */
  free(): Promise<void> {
    return this.#taken.promise;
  }

  /** Copies the values, which lie in `buffer` from `offset` on, as a part of a submission. */
  encode(encoder: GPUCommandEncoder, buffer: GPUBuffer, offset: number): void {
    for (const piece of this.#pieces) {
      encoder.copyBufferToBuffer(buffer, offset + piece.offset, piece.buffer, 0, piece.size);
    }
  }

  /** To be called when that submission was made. */
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

  /**
   * Waits for the values of the next run that were not taken yet, and hands them to `write` piece by piece. Gives when the
   * first piece could be read and when the last was written.
   */
  async take(
    write: (bytes: ArrayBuffer, offset: number) => void,
  ): Promise<{ readonly readable: number; readonly written: number }> {
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

  /** Ends all waiting, now and later. */
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

/** All that the programs of several adapters hand to each other; made before the first run, and nothing in one. */
export class Exchange {
  readonly #gpus: readonly Gpu[];
  readonly #messages = new Map<string, Message>();
  #failure: { readonly error: unknown } | undefined;

  /** @param gpus by their numbers */
  constructor(gpus: readonly Gpu[]) {
    this.#gpus = gpus;
  }

  /**
   * The message of a label from one adapter to another; made for whoever asks first. Programs that never run at the same time
   * may use the same.
   *
   * @throws ConfigError where its ends are not for the same number of bytes.
   */
  message(label: string, from: number, to: number, bytes: number): Message {
    const key = `${label} from ${from} to ${to}`;
    let message = this.#messages.get(key);
    if (!message) {
      message = new Message(label, from, bytes, this.#gpus[from]!);
      this.#messages.set(key, message);
    }
    if (message.bytes !== bytes) {
      throw new ConfigError(`${key}: one end is for ${message.bytes} bytes, the other for ${bytes}`);
    }
    return message;
  }

  /** Throws what made it fail. */
  check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Ends all waiting, now and later: none of the adapters goes on where one failed. */
  fail(error: unknown): void {
    this.#failure = { error };
    for (const message of this.#messages.values()) message.fail(error);
  }

  dispose(): void {
    for (const message of this.#messages.values()) message.dispose();
    this.#messages.clear();
  }
}

/** The end of an exchange at one of its adapters. */
export interface ExchangeEnd {
  readonly exchange: Exchange;
  /** The number of the adapter. */
  readonly self: number;
}
