import { createHash } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { readError, writeError, writeWhole } from '../files.js';
import { type Decoding, readingFault, tryDecoding } from '../image-file.js';
import { hasChecksum } from '../prepared/checksum.js';
import { ColourSums, type ColourTotals } from '../statistics.js';
import { unpacked } from './place.js';
import type { ImageSource, SourceImage } from './source.js';
import { anyNewer, checksumsOf, isWholeFile, PlaceReader } from './source-content.js';

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
export interface RejectedImage {
  readonly image: string;
  readonly reason: string;
  /** Whether its file could not be read; another attempt may succeed. */
  readonly unread?: boolean;
}

/** The record of a finished shard: a file next to the others, written after the shard itself. */
export interface ShardRecord {
  /** A hash of the whole job: the shard of another job is made again. */
  readonly job: string;
  readonly bytes: number;
  readonly sha256: string;
  /** For each image: offset and length in the shard, label, CRC-32. */
  readonly images: readonly (readonly [offset: number, length: number, label: number, crc: number])[];
  readonly rejected: readonly RejectedImage[];
  /** CRC-32 of the source's bytes of each image of the job, used or not; 0 if they could not be read. */
  readonly sources: readonly number[];
  readonly colours?: ColourTotals;
  /** Sums of each value `[channels, size, size]`, 32-bit little-endian words in base64. */
  readonly imageSum?: string;
}

const recordFile = (workshop: string, shard: string) => join(workshop, `${shard}.json`);

/** The record of a shard; undefined if it was not finished, or was made by an older version that recorded less. */
export async function readShardRecord(workshop: string, shard: string): Promise<ShardRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(recordFile(workshop, shard), 'utf8')) as ShardRecord;
    return record.job === undefined ? undefined : record;
  } catch {
    return undefined;
  }
}

/**
 * Makes a shard, unless a valid one already exists. The file appears under its name only when it is complete and on disk, and
 * its record after it. So at any moment, a shard with a record is valid, unless its source images have changed since.
 *
 * @throws DataError if an archive or the target cannot be used. Images that cannot be read or decoded are rejected.
 */
export async function makeShard(job: ShardJob, onImages: (count: number) => void = () => {}): Promise<ShardRecord> {
  const { directory, workshop, shard } = job;
  const path = join(directory, shard);
  const known = await readShardRecord(workshop, shard);
  if (known && (await isStillRight(job, known))) {
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

/** Whether a finished shard is what would be made now: its checksum is right, and its images are unchanged. */
async function isStillRight(job: ShardJob, record: ShardRecord): Promise<boolean> {
  const { directory, workshop, shard, images } = job;
  if (record.job !== hashOf(job)) return false;
  if (!(await hasChecksum(join(directory, shard), record))) return false;
  const { mtimeMs } = await stat(recordFile(workshop, shard));
  if (!record.rejected.some(({ unread }) => unread) && !(await anyNewer(images, mtimeMs))) return true;
  // Older files have already been read; only files that may be new are read again.
  const now = await checksumsOf(images);
  return record.sources.length === now.length && record.sources.every((checksum, i) => checksum === now[i]);
}

/** A hash of everything that determines a shard's bytes, but not of locations. */
function hashOf({ shard, bytes, format, images, first, statistics }: ShardJob): string {
  const listed = images.map(({ name, label, offset, length }) => [name, label, offset, length]);
  return createHash('sha256')
    .update(JSON.stringify([shard, bytes, format, first, statistics, listed]))
    .digest('hex');
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
  const rejected: RejectedImage[] = [];
  const sources: number[] = [];
  const colours = new ColourSums(channels);
  const imageSum = new Uint32Array(channels * size * size);
  const reader = new PlaceReader();
  try {
    await inOrder(images, job.lanes, preparer(job, reader), async (prepared, i) => {
      const { name, label } = images[i]!;
      onImages(1);
      sources.push(prepared.source);
      if ('reason' in prepared) {
        const { reason, unread } = prepared;
        rejected.push({ image: name, reason, ...(unread && { unread }) });
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
    reader.close();
    await file.close();
  }
  return {
    job: hashOf(job),
    // Two blocks of zeros end an archive.
    bytes: bytes + 1024,
    sha256: hash.digest('hex'),
    images: placed,
    rejected,
    sources,
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

/** An image, or why it cannot be used; and the CRC-32 of its bytes in the source. */
type Prepared = { readonly source: number } & (
  | { readonly pixels: Uint8Array; readonly content: Buffer }
  | { readonly reason: string; readonly unread?: boolean }
);

/** Reads, decodes and re-encodes an image of this job. */
function preparer({ bytes, format }: ShardJob, reader: PlaceReader) {
  const { size, channels, encoding, quality } = format;
  return async (image: SourceImage): Promise<Prepared> => {
    let packed: Buffer;
    try {
      packed = reader.read(image);
    } catch (error) {
      if (!isWholeFile(image)) throw readError(image.file, error);
      return { source: 0, reason: readingFault(image.file, error), unread: true };
    }
    const source = crc32(packed);
    const decoding = await decoded(image, packed, bytes, format);
    if ('fault' in decoding) return { source, reason: decoding.fault };
    const { pixels } = decoding;
    const raw = sharp(pixels, { raw: { width: size, height: size, channels } });
    // By default, one channel becomes three.
    if (channels === 1) raw.toColourspace('b-w');
    const content = await (encoding === 'jpg' ? raw.jpeg({ quality }) : raw.png()).toBuffer();
    return { source, pixels, content };
  };
}

async function decoded(
  image: SourceImage,
  packed: Buffer,
  bytes: ImageSource['bytes'],
  { size, channels }: ShardFormat,
): Promise<Decoding> {
  let content: Buffer;
  try {
    content = unpacked(image, packed);
  } catch (error) {
    return { fault: (error as Error).message };
  }
  return bytes === 'pixels' ? { pixels: content } : tryDecoding(content, size, channels);
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
