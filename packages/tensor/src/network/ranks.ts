import type { Gpu } from '../adapter/gpu.js';
import { type Deferred, deferred } from '../kernel/deferred.js';
import { localMessage } from '../kernel/local-message.js';
import type { MakeMessage, Message, MessageEnds, Taken } from '../kernel/message.js';
import { type GPUBuffer, GPUBufferUsage, type GPUCommandEncoder, GPUMapMode } from '../platform/webgpu.js';

/**
 * Processes that compute a step together, from the view of one of them: each uses other images, and all add up their gradients.
 * `openCluster()` of `@alex/cluster` returns this.
 */
export interface Ranks {
  /** The number of this process, from 0. */
  readonly rank: number;
  /** The number of processes. */
  readonly size: number;
  /**
   * Adds up the values of all ranks, in place, in rank order. Every rank calls it for the same values in the same order, and
   * does not wait for one call before the next.
   *
   * @param options.factor a float32 factor for each sum
   */
  sum(values: Float32Array<SharedArrayBuffer>, options: { readonly factor: number }): Promise<unknown>;
}

/**
 * The messages of processes that compute a step together: values that an adapter sends to itself come back as the sum over all
 * ranks.
 */
export class RankMessages {
  readonly #ranks: Ranks;
  readonly #factorOf: (label: string) => number;
  readonly #messages: RankMessage[] = [];
  #enqueued: Promise<void> = Promise.resolve();

  /** @param factorOf the factor for the sums of a message, by its label */
  constructor(ranks: Ranks, factorOf: (label: string) => number) {
    this.#ranks = ranks;
    this.#factorOf = factorOf;
  }

  readonly make: MakeMessage = (ends, gpus) => {
    if (ends.from !== ends.to) return localMessage(ends, gpus);
    const message = new RankMessage(ends, gpus[ends.from]!);
    this.#messages.push(message);
    return message;
  };

  /**
   * Must be called before a program with sends runs. Requests the sums in the order in which the messages were created, which
   * is the same on all ranks, whichever becomes readable first.
   *
   * @returns resolves when all sums of this step have been requested; later operations of the ranks come after them
   */
  begin(): Promise<void> {
    const before = this.#enqueued;
    const enqueue = async () => {
      await before;
      for (const message of this.#messages) {
        const factor = Math.fround(this.#factorOf(message.label));
        await message.enqueue((values) => this.#ranks.sum(values, { factor }));
      }
    };
    this.#enqueued = enqueue();
    this.#enqueued.catch(() => undefined);
    return this.#enqueued;
  }
}

/** The staging memory for sums on their way to the adapter. */
const piece = new Float32Array(2 ** 20);

/** Values on their way from an adapter to all ranks, and their sum on its way back. */
class RankMessage implements Message {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  readonly #gpu: Gpu;
  readonly #staging: GPUBuffer;
  readonly #values: Float32Array<SharedArrayBuffer>;
  #sent = deferred<void>();
  #summed = deferred<void>();
  #taken = deferred<void>();
  #failure: { readonly error: unknown } | undefined;

  constructor({ label, from, to, bytes }: MessageEnds, gpu: Gpu) {
    this.label = label;
    this.from = from;
    this.to = to;
    this.bytes = bytes;
    this.#gpu = gpu;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    this.#staging = gpu.createBuffer({ label: `${label} on its way`, size: bytes, usage });
    this.#values = new Float32Array(new SharedArrayBuffer(bytes));
    this.#taken.resolve();
  }

  free(): Promise<void> {
    return this.#taken.promise;
  }

  encode(encoder: GPUCommandEncoder, buffer: GPUBuffer, offset: number): void {
    encoder.copyBufferToBuffer(buffer, offset, this.#staging, 0, this.bytes);
  }

  sent(): void {
    this.#taken = this.#next();
    this.#sent.resolve();
  }

  /** Requests the sum once the values can be read; resolves when it has been requested, not when it is done. */
  async enqueue(sum: (values: Float32Array<SharedArrayBuffer>) => Promise<unknown>): Promise<void> {
    await this.#sent.promise;
    this.#sent = this.#next();
    try {
      await this.#staging.mapAsync(GPUMapMode.READ);
    } catch (error) {
      this.#gpu.check();
      throw error;
    }
    this.#values.set(new Float32Array(this.#staging.getMappedRange()));
    this.#staging.unmap();
    sum(this.#values).then(
      () => this.#summed.resolve(),
      (error: unknown) => this.#summed.reject(error),
    );
  }

  async take(write: (bytes: ArrayBuffer, offset: number) => void): Promise<Taken> {
    await this.#summed.promise;
    this.#summed = this.#next();
    const readable = performance.now();
    // The adapter's queue does not accept shared memory.
    for (let first = 0; first < this.#values.length; first += piece.length) {
      const values = this.#values.subarray(first, first + piece.length);
      piece.set(values);
      write(values.length < piece.length ? piece.buffer.slice(0, values.byteLength) : piece.buffer, 4 * first);
    }
    this.#taken.resolve();
    return { readable, written: performance.now() };
  }

  fail(error: unknown): void {
    this.#failure = { error };
    for (const waiting of [this.#sent, this.#summed, this.#taken]) waiting.reject(error);
    [this.#sent, this.#summed, this.#taken] = [this.#next(), this.#next(), this.#next()];
  }

  dispose(): void {
    this.#gpu.destroyBuffer(this.#staging);
  }

  #next(): Deferred<void> {
    const next = deferred<void>();
    if (this.#failure) next.reject(this.#failure.error);
    return next;
  }
}
