import { Piscina } from 'piscina';
import type { Decoded, DecodeJob } from '../decode-worker.js';
import { reason } from '../files.js';
import { ownScript } from '../own-script.js';

/**
 * Decodes pictures in a thread of its own, which starts with the first one and does not keep a process alive. The work
 * itself is done in threads of libuv, as many as the lanes up to four: what is left for this one, a tenth of a millisecond
 * a picture, would gain nothing from a second.
 */
export class Decoder {
  readonly pictureBytes: number;
  readonly size: number;
  readonly channels: number;
  readonly #lanes: number;
  readonly #script: string;
  #pool: Piscina<DecodeJob, Decoded> | undefined;

  /**
   * @param lanes pictures to work on at a time
   * @param script what the thread runs, of this package
   */
  constructor(size: number, channels: number, lanes: number, script = 'decode-worker') {
    this.size = size;
    this.channels = channels;
    this.pictureBytes = size * size * channels;
    this.#lanes = lanes;
    this.#script = script;
  }

  /**
   * The pixels of the pictures one after another, or the first of them that cannot be used. A thread that ends without
   * an answer (for want of memory, say) is no reason to give up: the pictures are tried again, each alone, so that the
   * one that ended it is found.
   */
  async decode(pictures: DecodeJob['pictures']): Promise<Decoded> {
    try {
      return await this.#run(pictures);
    } catch {
      const pixels = new Uint8Array(pictures.length * this.pictureBytes);
      for (const [i, picture] of pictures.entries()) {
        const decoded = await this.#run([picture]).catch((error: unknown) => endedBy(error));
        if (!(decoded instanceof Uint8Array)) return { failed: i, reason: decoded.reason };
        pixels.set(decoded, i * this.pictureBytes);
      }
      return pixels;
    }
  }

  #run(pictures: DecodeJob['pictures']): Promise<Decoded> {
    this.#pool ??= start(this.#script);
    return this.#pool.run({ pictures, size: this.size, channels: this.channels, lanes: this.#lanes });
  }
}

const endedBy = (error: unknown) => ({ reason: `the thread that decoded it ended (${reason(error)})` });

function start(script: string): Piscina<DecodeJob, Decoded> {
  const { url, execArgv } = ownScript(script);
  // A thread takes longer to start than a batch to decode: it stays.
  const threads = { minThreads: 1, maxThreads: 1, idleTimeout: Number.POSITIVE_INFINITY };
  return new Piscina({ filename: url.href, name: 'decode', execArgv, ...threads });
}
