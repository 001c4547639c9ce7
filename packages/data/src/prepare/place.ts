import { crc32, inflateRawSync } from 'node:zlib';
import { DataError } from '@alex/tensor';
import { reason } from '../files.js';
import type { Place } from './source.js';
import { withFile } from './tar.js';

/** Larger than any valid image or list. */
const mostInflated = 2 ** 28;

/**
 * The content of a location, decompressed.
 *
 * @param name its name in errors
 * @throws DataError if it is damaged.
 */
export function unpacked(
  { name, deflated, crc32: expected }: Pick<Place, 'deflated' | 'crc32'> & { readonly name: string },
  bytes: Buffer,
): Buffer {
  const content = deflated ? inflated(name, bytes) : bytes;
  if (expected === undefined || crc32(content) === expected) return content;
  throw new DataError(`${name} is damaged in its archive: its checksum is wrong`);
}

function inflated(name: string, bytes: Buffer): Buffer {
  try {
    return inflateRawSync(bytes, { maxOutputLength: mostInflated });
  } catch (error) {
    throw new DataError(`${name} is damaged in its archive: ${reason(error)}`, { cause: error });
  }
}

/** Reads the content of a location. */
export function readPlace(name: string, place: Place): Buffer {
  const bytes = Buffer.alloc(place.length);
  withFile(place.file, (file) => file.read(bytes, place.offset));
  return unpacked({ name, ...place }, bytes);
}
