import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DataError } from '@alex/tensor';

/**
 * The bytes that can be written into a folder, which need not exist yet; undefined if the system does not report them.
 */
export async function freeSpace(folder: string): Promise<number | undefined> {
  for (let path = resolve(folder); ; path = dirname(path)) {
    try {
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize;
    } catch {
      if (path === dirname(path)) return undefined;
    }
  }
}

/**
 * Checks, before hours of work, that there is enough space for the result.
 *
 * @param needed the least number of bytes
 * @param what needs them, as the subject of a sentence
 * @throws DataError if the folder's disk has less.
 */
export async function checkFreeSpace(folder: string, needed: number, what: string): Promise<void> {
  const free = await freeSpace(folder);
  if (free === undefined || free >= needed) return;
  throw new DataError(
    `${what} needs at least ${gigabytes(needed)} in ${folder}, but only ${gigabytes(free)} are free: free some space, or choose a folder on another disk`,
  );
}

/** Bytes in words. */
export function gigabytes(bytes: number): string {
  const [value, unit] = bytes >= 1e8 ? [bytes / 1e9, 'GB'] : bytes >= 1e5 ? [bytes / 1e6, 'MB'] : [bytes / 1e3, 'kB'];
  return `${value.toLocaleString('en-US', { maximumFractionDigits: 1 })} ${unit}`;
}
