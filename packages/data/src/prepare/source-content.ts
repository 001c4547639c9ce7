import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { readError } from '../files.js';
import type { Place } from './source.js';
import { readFully } from './tar.js';

/** Reads contents at given locations, one after another. Archives stay open, single image files do not. */
export class PlaceReader {
  readonly #descriptors = new Map<string, number>();

  /** The stored bytes. Throws the system's error, or a `DataError` if the file ends before. */
  read(place: Place): Buffer {
    const { file, offset, length } = place;
    const content = Buffer.alloc(length);
    const descriptor = this.#descriptors.get(file) ?? openSync(file, 'r');
    if (!isWholeFile(place)) this.#descriptors.set(file, descriptor);
    try {
      readFully(file, descriptor, content, offset);
    } finally {
      if (isWholeFile(place)) closeSync(descriptor);
    }
    return content;
  }

  close(): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
  }
}

/** Whether a location is a separate file: if it cannot be read, that affects one image, not an archive of them. */
export const isWholeFile = ({ offset }: Place) => offset === 0;

/** Whether a file was written, replaced or moved there after a time. */
export async function anyNewer(places: readonly Place[], milliseconds: number): Promise<boolean> {
  for (const file of new Set(places.map(({ file }) => file))) {
    const found = await stat(file).catch(() => undefined);
    // The second time cannot be set back, so it reveals a file that was replaced by an older one. Equal times may be in any
    // order: a file system's clock stands still for some milliseconds.
    if (!found || Math.max(found.mtimeMs, found.ctimeMs) >= milliseconds) return true;
  }
  return false;
}

/** The number of locations after which other tasks get a turn. */
const atATime = 64;

/**
 * CRC-32 of the bytes at each location; 0 if a separate file cannot be read.
 *
 * @throws DataError if an archive cannot be read; the signal's reason if it stops the work.
 */
export async function checksumsOf(places: readonly Place[], signal?: AbortSignal): Promise<number[]> {
  const reader = new PlaceReader();
  try {
    const checksums: number[] = [];
    for (const place of places) {
      if (checksums.length % atATime === 0) await setImmediate();
      signal?.throwIfAborted();
      checksums.push(checksumOf(reader, place));
    }
    return checksums;
  } finally {
    reader.close();
  }
}

function checksumOf(reader: PlaceReader, place: Place): number {
  try {
    return crc32(reader.read(place));
  } catch (error) {
    if (isWholeFile(place)) return 0;
    throw readError(place.file, error);
  }
}

/** A single checksum of many. */
export function digestOfChecksums(checksums: readonly number[]): string {
  return createHash('sha256').update(Uint32Array.from(checksums)).digest('hex');
}
