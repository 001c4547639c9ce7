import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { DataError } from '@alex/tensor';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { reason, writeError, writeWhole } from '../files.js';
import { checkSignatureOf, decodeImage } from '../image-file.js';
import { hasChecksum } from '../prepared/checksum.js';
import { ColourSums, type ColourTotals } from '../statistics.js';
import { unpacked } from './place.js';
import type { ImageSource, SourceImage } from './source.js';
import { readFully } from './tar.js';

/** The image format of shards. */
export interface ShardFormat {
  /** Side of the square images, in pixels. */
  readonly size: number;
  readonly channels: 1 | 3;
  readonly encoding: 'jpg' | 'png';
  /** JPEG quality, 1 to 100. */
  readonly quality: number;
}

/** One shard to create: everything it depends on. */
export interface ShardJob {
  /** Its file name within `directory`. */
  readonly shard: string;
  readonly directory: string;
  /** The folder for records of finished shards and for unfinished files. */
  readonly workshop: string;
  readonly bytes: ImageSource['bytes'];
  readonly format: ShardFormat;
  readonly images: readonly SourceImage[];
  /** Number of the first image within its split. */
  readonly first: number;
  /** Whether to compute the sums for the mean and colour statistics. */
  readonly statistics: boolean;
  /** Images to decode in parallel. */
  readonly lanes: number;
}

/** An image that could not be used. */
export interface Rejected {
  readonly image: string;
  readonly reason: string;
}

/** The record of a finished shard: a file next to the others, written after the shard itself. */
export interface ShardRecord {
  readonly bytes: number;
  readonly sha256: string;
  /** For each image: offset and length in the shard, label, CRC-32. */
  readonly images: readonly (readonly [offset: number, length: number, label: number, crc: number])[];
  readonly rejected: readonly Rejected[];
  readonly colours?: ColourTotals;
  /** Sums of each value `[channels, size, size]`, 32-bit little-endian words in base64. */
  readonly imageSum?: string;
}

const recordFile = (workshop: string, shard: string) => join(workshop, `${shard}.json`);

/** The record of a shard, or undefined if it was not finished. */
export async function readShardRecord(workshop: string, shard: string): Promise<ShardRecord | undefined> {
  try {
    return JSON.parse(await readFile(recordFile(workshop, shard), 'utf8')) as ShardRecord;
  } catch {
    return undefined;
  }
}

/**
 * Creates a shard, unless it already exists and is complete and correct. The file gets its name only when it is
 * complete and on disk, and its record follows. So a shard with a record is always valid, whatever happens at any
 * moment.
 *
 * @throws DataError if the source or the target cannot be used. Images that cannot be decoded are rejected.
 */
export async function makeShard(job: ShardJob, onImages: (count: number) => void = () => {}): Promise<ShardRecord> {
  const { directory, workshop, shard } = job;
  const path = join(directory, shard);
  const known = await readShardRecord(workshop, shard);
  if (known && (await hasChecksum(path, known))) {
    onImages(job.images.length);
    return known;
  }
  const unfinished = join(workshop, `${shard}.${process.pid}`);
  try {
    const record = await writeShard(job, unfinished, onImages);
    await rename(unfinished, path);
    await writeWhole(recordFile(workshop, shard), JSON.stringify(record));
    return record;
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    throw writeError(path, error);
  }
}

async function writeShard(job: ShardJob, path: string, onImages: (count: number) => void): Promise<ShardRecord> {
  const { format, images, statistics } = job;
  const { size, channels, encoding } = format;
  const archive = pack();
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await open(path, 'w');
  const write = async () => {
    for await (const chunk of archive as AsyncIterable<Buffer>) {
      hash.update(chunk);
      await file.writeFile(chunk);
    }
    await file.sync();
  };
  const writing = write();
  // Awaited below; until then its failure must not count as unhandled.
  writing.catch(() => {});
  /** Appends a file and returns the location of its content. The header contains neither times nor paths. */
  const append = async (name: string, content: Buffer): Promise<number> => {
    const offset = bytes + 512;
    bytes = offset + Math.ceil(content.length / 512) * 512;
    await Promise.race([
      writing,
      new Promise<void>((resolve, reject) => {
        const done = (error?: Error | null) => (error ? reject(error) : resolve());
        archive.entry({ name, mtime: new Date(0), mode: 0o644, size: content.length }, content, done);
      }),
    ]);
    return offset;
  };

  const placed: [number, number, number, number][] = [];
  const rejected: Rejected[] = [];
  const colours = new ColourSums(channels);
  const imageSum = new Uint32Array(channels * size * size);
  const descriptors = new Map<string, number>();
  try {
    await inOrder(images, job.lanes, preparer(job, descriptors), async (prepared, i) => {
      const { name, label } = images[i]!;
      onImages(1);
      if ('reason' in prepared) {
        rejected.push({ image: name, reason: prepared.reason });
        return;
      }
      const { pixels, content } = prepared;
      if (statistics) {
        colours.add(pixels);
        addImage(imageSum, pixels, channels);
      }
      const key = keyOf(job.first + i, name);
      const offset = await append(`${key}.${encoding}`, content);
      await append(`${key}.cls`, Buffer.from(`${label}`));
      placed.push([offset, content.length, label, crc32(content)]);
    });
    archive.finalize();
    await writing;
  } catch (error) {
    archive.destroy();
    await writing.catch(() => undefined);
    throw error;
  } finally {
    for (const descriptor of descriptors.values()) closeSync(descriptor);
    await file.close();
  }
  return {
    // Two blocks of zeros end an archive.
    bytes: bytes + 1024,
    sha256: hash.digest('hex'),
    images: placed,
    rejected,
    ...(statistics && { colours: colours.totals(), imageSum: Buffer.from(imageSum.buffer).toString('base64') }),
  };
}

/** Number and name: unique, and helpful for finding the image. A dot would end the key for other readers. */
function keyOf(number: number, name: string): string {
  const plain = basename(name)
    .replace(/\.[a-z]+$/i, '')
    .replaceAll(/[^\w-]/g, '_');
  return `${String(number).padStart(8, '0')}_${plain.slice(0, 60)}`;
}

type Prepared = { readonly pixels: Uint8Array; readonly content: Buffer } | { readonly reason: string };

/** How an image of this job is read, decoded and encoded again. */
function preparer({ bytes, format }: ShardJob, descriptors: Map<string, number>) {
  const { size, channels, encoding, quality } = format;
  const read = (image: SourceImage): Buffer => {
    const content = Buffer.alloc(image.length);
    // Archives stay open, files of one image do not.
    const whole = image.offset === 0;
    try {
      const descriptor = descriptors.get(image.file) ?? openSync(image.file, 'r');
      if (!whole) descriptors.set(image.file, descriptor);
      try {
        readFully(image.file, descriptor, content, image.offset);
      } finally {
        if (whole) closeSync(descriptor);
      }
      return content;
    } catch (error) {
      if (error instanceof DataError) throw error;
      throw new DataError(`cannot read ${image.file}: ${reason(error)}`, { cause: error });
    }
  };
  return async (image: SourceImage): Promise<Prepared> => {
    let pixels: Uint8Array;
    try {
      const content = unpacked(image, read(image));
      if (bytes === 'file') {
        checkSignatureOf(image.name, content);
        pixels = await decodeImage(image.name, content, size, channels);
      } else pixels = content;
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      return { reason: error.message };
    }
    const raw = sharp(pixels, { raw: { width: size, height: size, channels } });
    // By default, one channel becomes three.
    if (channels === 1) raw.toColourspace('b-w');
    const content = await (encoding === 'jpg' ? raw.jpeg({ quality }) : raw.png()).toBuffer();
    return { pixels, content };
  };
}

function addImage(sum: Uint32Array, pixels: Uint8Array, channels: number): void {
  const plane = pixels.length / channels;
  for (let channel = 0; channel < channels; channel++) {
    const start = channel * plane;
    for (let pixel = 0; pixel < plane; pixel++) sum[start + pixel]! += pixels[pixel * channels + channel]!;
  }
}

/** Runs a job for each value, several in parallel, and uses the results in order of the values. */
async function inOrder<Value, Result>(
  values: readonly Value[],
  lanes: number,
  job: (value: Value) => Promise<Result>,
  use: (result: Result, i: number) => Promise<void>,
): Promise<void> {
  const pending: Promise<Result>[] = [];
  let next = 0;
  try {
    for (let i = 0; i < values.length; i++) {
      while (next < values.length && next < i + 2 * lanes) {
        const result = job(values[next++]!);
        result.catch(() => {});
        pending.push(result);
      }
      await use(await pending.shift()!, i);
    }
  } finally {
    // Reads must have ended before the files are closed.
    await Promise.allSettled(pending);
  }
}
