import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { ConfigError } from '@alex/tensor';
import type { ImageBatch, Split } from './dataset.js';

/** Writes image `i` to its position in a batch. */
export type PlaceImage = (i: number, target: Uint8Array) => void | Promise<void>;

/** The definition of a split: the size of its images, their labels, and how to read one. */
export interface ImageSource {
  /** The split and data set, for errors. */
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly labels: Uint32Array;
  imageName(i: number): string;
  readonly place: PlaceImage;
  /** Like that of a `Split`. */
  contentHash?(): Promise<string>;
}

/** Decoding runs in the threads of libuv: more jobs than cores would only hold more undecoded files in memory. */
export const jobsAtATime = Math.max(2, availableParallelism());

/** Creates a split that reads batches of images with a limited number of parallel jobs. */
export function createSplit(source: ImageSource): Split {
  const { height, width, channels, labels } = source;
  const bytes = height * width * channels;
  const check = (i: number) => checkIndex(source.name, labels.length, i);
  return {
    length: labels.length,
    labels,
    imageName: (i) => source.imageName(check(i)),
    ...(source.contentHash && { contentHash: source.contentHash }),
    async read(indices): Promise<ImageBatch> {
      const wanted = Array.from(indices, check);
      const pixels = new Uint8Array(wanted.length * bytes);
      await forEachLimited(wanted.length, jobsAtATime, (position) =>
        source.place(wanted[position]!, pixels.subarray(position * bytes, (position + 1) * bytes)),
      );
      return {
        count: wanted.length,
        height,
        width,
        channels,
        pixels,
        labels: Uint32Array.from(wanted, (i) => labels[i]!),
      };
    },
  };
}

/** A checksum of the contents of images, in their order. */
export function hashOf(contents: Iterable<string | Uint8Array>): string {
  const hash = createHash('sha256');
  for (const content of contents) hash.update(content);
  return hash.digest('hex');
}

/** Throws a `ConfigError` unless a split has an image of this number. */
export function checkIndex(split: string, length: number, i: number): number {
  if (Number.isInteger(i) && i >= 0 && i < length) return i;
  throw new ConfigError(`${split} has images 0 to ${length - 1}: there is no image ${i}`);
}

/** Runs a job for 0, 1, … count - 1, at most `limit` in parallel. After a failure, no further job starts. */
export async function forEachLimited(
  count: number,
  limit: number,
  job: (i: number) => void | Promise<void>,
): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (next < count && !failed) {
      try {
        await job(next++);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  // All workers end before the failure is reported, so nothing is written to the batch afterwards.
  const ends = await Promise.allSettled(Array.from({ length: Math.min(limit, count) }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/** Memory for decoded images, shared by the splits of a data set. */
export interface ImageMemory {
  bytesLeft: number;
}

/**
 * Decodes an image once and keeps it while the memory lasts. Nothing is ever evicted: every epoch visits every image
 * once, so the least recently used image is needed next, and a cache that evicts it would never have a hit.
 *
 * @param kept images that are already decoded, by their numbers
 */
export function keepDecoded(
  memory: ImageMemory,
  place: PlaceImage,
  kept: Map<number, Uint8Array> = new Map(),
): PlaceImage {
  return async (i, target) => {
    const known = kept.get(i);
    if (known) {
      target.set(known);
      return;
    }
    await place(i, target);
    if (memory.bytesLeft < target.length || kept.has(i)) return;
    memory.bytesLeft -= target.length;
    kept.set(i, target.slice());
  };
}

/** Default memory for decoded images of a data set, in bytes: 1 GiB. */
export const defaultCacheBytes = 2 ** 30;
