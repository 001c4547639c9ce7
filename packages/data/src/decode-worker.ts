import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { move } from 'piscina';
import sharp from 'sharp';

/** Images to decode together: their locations, and the size of all of them. */
export interface DecodeJob {
  readonly images: readonly {
    readonly file: string;
    readonly offset: number;
    readonly length: number;
    readonly checksum: number;
  }[];
  readonly size: number;
  readonly channels: number;
  /** Images at a time. */
  readonly lanes: number;
}

/** Their pixels one after another, or which of them cannot be used and why. */
export type Decoded = Uint8Array | { readonly failed: number; readonly reason: string };

// Whole images, not parts of one, are processed in parallel; none occurs twice in an epoch.
sharp.concurrency(1);
sharp.cache(false);

/** Decodes images of prepared shards. The pixels are transferred, not copied. */
export async function decode({ images, size, channels, lanes }: DecodeJob): Promise<Decoded> {
  const bytes = size * size * channels;
  // Every byte is written below, so the memory need not be zeroed.
  const pixels = new Uint8Array(Buffer.allocUnsafeSlow(images.length * bytes).buffer);
  const failures: { failed: number; reason: string }[] = [];
  let next = 0;
  const lane = async () => {
    while (next < images.length && failures.length === 0) {
      const i = next++;
      try {
        const content = read(images[i]!);
        const image = sharp(content);
        // By default, one channel becomes three.
        if (channels === 1) image.toColourspace('b-w');
        const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
        if (data.length !== bytes || info.width !== size) {
          throw new Error(`it has ${info.width} x ${info.height} x ${info.channels} values`);
        }
        pixels.set(data, i * bytes);
      } catch (error) {
        failures.push({ failed: i, reason: (error as Error).message });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, images.length) }, lane));
  // Of several failures, the first in order of the images.
  if (failures.length > 0) return failures.reduce((first, other) => (other.failed < first.failed ? other : first));
  return move(pixels) as Uint8Array;
}

function read({ file, offset, length, checksum }: DecodeJob['images'][number]): Buffer {
  const content = Buffer.allocUnsafe(length);
  const descriptor = descriptorOf(file);
  for (let done = 0; done < length; ) {
    const count = readSync(descriptor, content, done, length - done, offset + done);
    if (count === 0) throw new Error('its shard is truncated');
    done += count;
  }
  if (crc32(content) !== checksum) throw new Error('its bytes are not what was prepared');
  return content;
}

/**
 * Number of shards that stay open: opening takes longer than reading an image. A process may have about 1,000 files
 * open.
 */
const mostOpen = 256;
const descriptors = new Map<string, number>();

function descriptorOf(file: string): number {
  const known = descriptors.get(file);
  if (known !== undefined) return known;
  const [oldest] = descriptors;
  if (oldest && descriptors.size >= mostOpen) {
    descriptors.delete(oldest[0]);
    closeSync(oldest[1]);
  }
  const descriptor = openSync(file, 'r');
  descriptors.set(file, descriptor);
  return descriptor;
}
