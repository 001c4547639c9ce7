import { once } from 'node:events';
import { Piscina } from 'piscina';
import type { Decoded, DecodeJob } from '../decode-worker.js';
import { reason } from '../files.js';
import { ownScript } from '../own-script.js';

/**
 * Decodes images in a separate thread, which starts with the first one and does not keep the process alive. The work
 * itself is done in libuv's threads, as many as the lanes up to four. The rest, a tenth of a millisecond per image,
 * would gain nothing from a second thread.
 */
export class Decoder {
  readonly imageBytes: number;
  readonly size: number;
  readonly channels: number;
  readonly #lanes: number;
  readonly #script: string;
  #pool: Piscina<DecodeJob, Decoded> | undefined;

  /**
   * @param lanes images to decode in parallel
   * @param script the thread's script, in this package
   */
  constructor(size: number, channels: number, lanes: number, script = 'decode-worker') {
    this.size = size;
    this.channels = channels;
    this.imageBytes = size * size * channels;
    this.#lanes = lanes;
    this.#script = script;
  }

  /**
   * The pixels of the images one after another, or the first of them that cannot be used. If the thread ends without an
   * answer (out of memory, for example), the images are tried again one by one, to find the one that ended it.
   */
  async decode(images: DecodeJob['images']): Promise<Decoded> {
    try {
      return await this.#run(images);
    } catch {
      const pixels = new Uint8Array(images.length * this.imageBytes);
      for (const [i, image] of images.entries()) {
        const decoded = await this.#run([image]).catch((error: unknown) => endedBy(error));
        if (!(decoded instanceof Uint8Array)) return { failed: i, reason: decoded.reason };
        pixels.set(decoded, i * this.imageBytes);
      }
      return pixels;
    }
  }

  async #run(images: DecodeJob['images']): Promise<Decoded> {
    this.#pool ??= start(this.#script);
    const answered = new AbortController();
    // If a pool's thread cannot start, the pool keeps the job waiting and starts no other thread: it only emits an
    // error.
    const failed = once(this.#pool, 'error', answered).then(([error]) => {
      this.#pool = undefined;
      throw error;
    });
    const job = { images, size: this.size, channels: this.channels, lanes: this.#lanes };
    try {
      return await Promise.race([this.#pool.run(job), failed]);
    } finally {
      answered.abort();
    }
  }
}

const endedBy = (error: unknown) => ({ reason: `the thread that decoded it ended (${reason(error)})` });

function start(script: string): Piscina<DecodeJob, Decoded> {
  const { url, execArgv } = ownScript(script);
  // Starting a thread takes longer than decoding a batch, so it is kept.
  const threads = { minThreads: 1, maxThreads: 1, idleTimeout: Number.POSITIVE_INFINITY };
  const pool = new Piscina<DecodeJob, Decoded>({ filename: url.href, name: 'decode', execArgv, ...threads });
  // Jobs listen for themselves. Between them, an event that nobody listens to would end the process.
  pool.on('error', () => undefined);
  return pool;
}
