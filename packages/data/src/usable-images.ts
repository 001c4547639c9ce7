import { createHash } from 'node:crypto';
import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { DataError } from '@alex/tensor';
import { makeFolder, readError } from './files.js';
import { readingFault, tryDecoding } from './image-file.js';
import type { ImageFile, ImageFolderList } from './image-folder-list.js';
import { type ImageCheck, KnownChecks, type Stamp } from './known-checks.js';
import {
  allowedOf,
  checkMaxRejected,
  type Rejected,
  rejectedRemark,
  tooManyRejected,
  usualMaxRejected,
  writeRejected,
} from './rejected.js';
import { someOf } from './remarks.js';
import { forEachLimited, type ImageMemory, jobsAtATime } from './split.js';

/** Which images to check, and how to handle unusable ones. */
export interface UsableImagesOptions {
  /** Side of the decoded images. */
  readonly size: number;
  readonly checked?: 'all' | 'validation' | 'none' | undefined;
  readonly maxRejected?: number | undefined;
  readonly checksFolder?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onCheck?: ((done: number, of: number) => void) | undefined;
}

/** An image that is usable, or was not checked. */
export interface UsableImage extends ImageFile {
  /** Checksum of the file's bytes, if it was checked. */
  readonly digest?: string;
  /** Its pixels, if it had to be decoded and there is enough memory. */
  readonly pixels?: Uint8Array;
}

/** The usable images of a folder. */
export interface UsableImages {
  readonly train: readonly UsableImage[];
  readonly validation: readonly UsableImage[];
  /** The skipped images. */
  readonly remarks: readonly string[];
}

/**
 * Reads and decodes the images of a folder (a truncated image is found in no other way), and skips the unusable ones. Which
 * images are unusable does not depend on the size that they are scaled to.
 *
 * @param memory keeps decoded images
 * @throws DataError if more images than `maxRejected` cannot be used, or none of a split can; the signal's reason if it stops
 * the work.
 */
export async function usableImages(
  directory: string,
  { folders, train, validation }: ImageFolderList,
  options: UsableImagesOptions,
  memory: ImageMemory,
): Promise<UsableImages> {
  const { checked = 'all', maxRejected = usualMaxRejected } = options;
  checkMaxRejected(maxRejected);
  const looked = { train: checked === 'all' ? train : [], validation: checked === 'none' ? [] : validation };
  const images = [...looked.train, ...looked.validation];
  const folder = options.checksFolder === undefined ? undefined : await ownFolder(options.checksFolder, directory);
  // Stored results of images that are not checked now are kept.
  const paths = [...train, ...validation].map(({ path }) => path);
  const checks = await checkImages(directory, images, { ...options, folder, memory, paths });

  const rejected: Rejected[] = [];
  const usable = (which: 'train' | 'validation', all: readonly ImageFile[], first: number): UsableImage[] => {
    if (looked[which].length === 0) return [...all];
    return all.flatMap((image, i) => {
      const { fault, ...found } = checks[first + i]!;
      if (fault === undefined) return [{ ...image, ...found }];
      rejected.push({ split: which, image: image.path, reason: fault });
      return [];
    });
  };
  const left = {
    train: usable('train', train, 0),
    validation: usable('validation', validation, looked.train.length),
  };
  if (rejected.length === 0) return { ...left, remarks: [] };
  // Even if only some are checked: data that training accepted must not be refused later.
  const of = train.length + validation.length;
  // A list of some images must not replace the list of all.
  const listed = folder !== undefined && checked === 'all';
  const file = listed ? await writeRejected(folder, rejected).catch(() => undefined) : undefined;
  if (rejected.length > allowedOf(maxRejected, of)) throw tooManyRejected(rejected, of, maxRejected, file);
  if (left.train.length === 0) throw new DataError(`${directory}: none of the training images can be used`);
  if (left.validation.length === 0) throw new DataError(`${directory}: none of the validation images can be used`);
  const remarks = [rejectedRemark(rejected, of, file)];
  const known = new Set(left.train.map(({ label }) => label));
  const without = folders.filter((_, label) => !known.has(label));
  if (without.length > 0) remarks.push(`No training image of ${someOf(without)} can be used.`);
  return { ...left, remarks };
}

/** Where to store the results for a data set's images: the same file for every path to the data set. */
async function ownFolder(checksFolder: string, directory: string): Promise<string | undefined> {
  const real = await realpath(directory);
  const hash = createHash('sha256').update(real).digest('hex').slice(0, 8);
  const folder = join(checksFolder, `${basename(resolve(real)).replaceAll(/[^\w.-]/g, '_')}-${hash}`);
  return makeFolder(folder).then(
    () => folder,
    // Without this cache, everything is checked again the next time.
    () => undefined,
  );
}

type Check = Partial<ImageCheck> & { readonly pixels?: Uint8Array };

/** The number of files that are looked up at a time; some disks are remote. */
const stampsAtATime = 64;

async function checkImages(
  directory: string,
  images: readonly ImageFile[],
  {
    size,
    folder,
    signal,
    onCheck,
    memory,
    paths,
  }: UsableImagesOptions & {
    readonly folder: string | undefined;
    readonly memory: ImageMemory;
    readonly paths: readonly string[];
  },
): Promise<Check[]> {
  const known = await openKnown(folder);
  const checks: Check[] = new Array(images.length);
  const fileOf = (i: number) => join(directory, images[i]!.path);
  // Not stored, because the disk may be back later.
  const unreadable = (i: number, error: unknown) => {
    checks[i] = { fault: readingFault(fileOf(i), error) };
  };

  const unknown: { readonly i: number; readonly stamp: Stamp }[] = [];
  await forEachLimited(images.length, stampsAtATime, async (i) => {
    signal?.throwIfAborted();
    try {
      const stamp = await stat(fileOf(i));
      const before = known.get(images[i]!.path, stamp);
      if (before) checks[i] = before;
      else unknown.push({ i, stamp });
    } catch (error) {
      unreadable(i, error);
    }
  });
  unknown.sort((a, b) => a.i - b.i);
  let done = 0;
  try {
    await forEachLimited(unknown.length, jobsAtATime, async (position) => {
      signal?.throwIfAborted();
      const { i, stamp } = unknown[position]!;
      try {
        checks[i] = await lookAt(await readFile(fileOf(i)), size, memory);
        const { digest, fault } = checks[i]!;
        await known.add(images[i]!.path, stamp, { digest: digest!, ...(fault !== undefined && { fault }) });
      } catch (error) {
        unreadable(i, error);
      }
      onCheck?.(++done, unknown.length);
    });
  } finally {
    await known.close(paths);
  }
  return checks;
}

async function lookAt(content: Buffer, size: number, memory: ImageMemory): Promise<Check> {
  const digest = digestOf(content);
  const decoding = await tryDecoding(content, size, 3);
  if ('fault' in decoding) return { digest, fault: decoding.fault };
  if (memory.bytesLeft < decoding.pixels.length) return { digest };
  memory.bytesLeft -= decoding.pixels.length;
  return { digest, pixels: decoding.pixels };
}

/**
 * Checksums of images' bytes: stored ones for unchanged files, and of the others by reading them.
 *
 * @throws DataError if a file cannot be read.
 */
export async function digestsOf(
  directory: string,
  images: readonly UsableImage[],
  checksFolder: string | undefined,
): Promise<string[]> {
  const digests = images.map(({ digest }) => digest);
  if (digests.every((digest) => digest !== undefined)) return digests;
  const folder = checksFolder === undefined ? undefined : await ownFolder(checksFolder, directory);
  const known = await openKnown(folder);
  await forEachLimited(images.length, jobsAtATime, async (i) => {
    const { path } = images[i]!;
    const file = join(directory, path);
    try {
      digests[i] ??= known.get(path, await stat(file))?.digest ?? digestOf(await readFile(file));
    } catch (error) {
      throw readError(file, error);
    }
  });
  return digests as string[];
}

const openKnown = (folder: string | undefined) =>
  KnownChecks.open(folder === undefined ? undefined : join(folder, 'checked.jsonl'));

/** Half of a SHA-256. */
const digestOf = (content: Buffer) => createHash('sha256').update(content).digest('hex').slice(0, 32);
