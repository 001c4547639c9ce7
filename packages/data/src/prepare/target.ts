import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '@alex/tensor';
import { errorCode, reason, writeWhole } from '../files.js';
import { checkFreeSpace, freeSpace, gigabytes } from '../free-space.js';
import { type Manifest, manifestFile, manifestVersion, readManifest, workshopFolder } from '../prepared/manifest.js';
import { tools } from './finish.js';
import type { ShardFormat } from './shard.js';
import { fingerprintOf, type ImageSource } from './source.js';
import { anyNewer, checksumsOf, digestOfChecksums } from './source-content.js';

/** The properties of a preparation that its target folder must agree with. */
export interface Plan {
  /** A hash of everything that determines the bytes. */
  readonly fingerprint: string;
  /** The same hash without the images: a preparation continues if some of them were replaced or removed. */
  readonly outline: string;
}

const planFile = 'plan';
const hashOf = (value: unknown) => createHash('sha256').update(JSON.stringify(value)).digest('hex');

export function planOf(source: ImageSource, format: ShardFormat, imagesPerShard: number): Plan {
  const { kind, name, classes } = source;
  const options = { format, imagesPerShard, tools };
  return {
    fingerprint: hashOf({ version: manifestVersion, source: fingerprintOf(source), ...options }),
    outline: hashOf({ version: manifestVersion, kind, name, classes: classes.map(({ id }) => id), ...options }),
  };
}

/**
 * Other files are never overwritten.
 *
 * @throws ConfigError if the folder contains anything but a preparation.
 */
export async function checkTarget(to: string): Promise<void> {
  let content: string[];
  try {
    content = await readdir(to);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw new ConfigError(`${to} cannot be used (${reason(error)}): choose another folder`, { cause: error });
  }
  if (content.length === 0 || content.includes(manifestFile) || content.includes(workshopFolder)) return;
  throw new ConfigError(
    `${to} contains ${content[0]} and is not an unfinished preparation: choose a new or empty folder`,
  );
}

/**
 * The manifest of an already prepared folder; undefined if it is not prepared.
 *
 * @throws ConfigError if it contains other data, was prepared with other options, or its images have changed since.
 */
export async function finishedManifest(
  to: string,
  source: ImageSource,
  { fingerprint }: Plan,
  { say, signal }: { say(text: string): void; readonly signal?: AbortSignal | undefined },
): Promise<Manifest | undefined> {
  const content = await readdir(to).catch(() => [] as string[]);
  if (!content.includes(manifestFile)) return undefined;
  const manifest = await readManifest(to);
  if (manifest.fingerprint !== fingerprint) throw otherData(to);
  const { digest } = manifest.source;
  // The pixels of a data set that is opened as a whole are part of its fingerprint.
  if (digest === undefined || source.digest !== undefined) return manifest;
  const images = [...source.train, ...source.validation];
  const { mtimeMs } = await stat(join(to, manifestFile));
  if (!(await anyNewer(images, mtimeMs))) return manifest;
  say(`Some files of ${source.from.join(', ')} are newer than ${to}: their content is compared.`);
  if (digestOfChecksums(await checksumsOf(images, signal)) === digest) return manifest;
  throw new ConfigError(
    `${to} was prepared from images whose content has changed since: remove it to prepare them again, or choose another folder`,
  );
}

/**
 * Records in the workshop what is being prepared.
 *
 * @throws ConfigError if another preparation was started there.
 */
export async function agreeOnPlan(to: string, { outline }: Plan): Promise<void> {
  const file = join(to, workshopFolder, planFile);
  const known = await readFile(file, 'utf8').catch(() => undefined);
  if (known === undefined) await writeWhole(file, outline);
  else if (known !== outline) throw otherData(to);
}

const otherData = (to: string) =>
  new ConfigError(
    `${to} contains other data, or the same data prepared with other options or by another version: choose another folder or remove it`,
  );

/**
 * Removes shards that no longer belong to the data set, because there were more images when the preparation started.
 */
export async function removeOtherShards(to: string, shards: readonly string[]): Promise<void> {
  for (const file of await readdir(to)) {
    if (isShard(file) && !shards.includes(file)) await rm(join(to, file));
  }
}

/** An image takes at least two tar headers and the blocks of its two files. */
const leastBytes = 4 * 512;
/** Bytes of a photograph per value, as JPEG with quality 95 and as PNG, at 128 to 256 pixels. */
const usualBytes = { jpg: 0.15, png: 0.8 };

/**
 * Checks that there is enough space for the shards, in addition to those that already exist.
 *
 * @param images their number
 * @param say called if they may not fit; drawings take less space than photographs
 * @throws DataError if they certainly do not fit.
 */
export async function checkRoom(
  to: string,
  images: number,
  { size, channels, encoding }: ShardFormat,
  say: (text: string) => void,
): Promise<void> {
  const there = await bytesOfShards(to);
  await checkFreeSpace(to, images * leastBytes - there, `Preparing ${images.toLocaleString('en-US')} images`);
  const usual = images * (leastBytes + usualBytes[encoding] * size * size * channels) - there;
  const free = await freeSpace(to);
  if (free === undefined || free >= usual) return;
  say(
    `${to} has ${gigabytes(free)} free; shards of this many photographs need about ${gigabytes(usual)}. If the disk becomes full, finished shards are kept.`,
  );
}

async function bytesOfShards(to: string): Promise<number> {
  let bytes = 0;
  for (const file of await readdir(to)) {
    if (isShard(file)) bytes += (await stat(join(to, file))).size;
  }
  return bytes;
}

const isShard = (file: string) => /^(train|validation)-\d{6,}\.tar$/.test(file);
