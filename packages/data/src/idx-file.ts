import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError } from '@alex/tensor';
import { headBytes, inWords } from './content-kind.js';
import { readWhole, reason } from './files.js';

/** The contents of an IDX file of bytes. */
export interface Idx {
  readonly file: string;
  readonly sizes: readonly number[];
  readonly values: Uint8Array;
}

/** The first word of an IDX file: two zero bytes, 8 for unsigned bytes, then the number of dimensions. */
const idxBytes = 0x0800;

/**
 * Reads an IDX file of unsigned bytes, gzipped or not, as detected from its content.
 *
 * @param remedy what to do if it is missing or wrong
 * @throws DataError if it is missing, truncated, or has another number of dimensions.
 */
export async function readIdx(file: string, dimensions: number, remedy: string): Promise<Idx> {
  const content = await unpacked(file, await readWhole(file, remedy), remedy);
  const header = 4 + 4 * dimensions;
  const magic = content.length >= 4 ? content.readUInt32BE(0) : undefined;
  if (magic !== idxBytes + dimensions || content.length < header) {
    const found = magic === undefined ? 'nothing' : `0x${magic.toString(16).padStart(8, '0')}`;
    const strange = inWords(content.subarray(0, headBytes), '');
    if (strange !== '') throw new DataError(`${file} is not an IDX file: ${strange}: ${remedy}`);
    throw new DataError(
      `${file} begins with ${found}, expected 0x${(idxBytes + dimensions).toString(16).padStart(8, '0')} (IDX, bytes, ${dimensions} dimensions): ${remedy}`,
    );
  }
  const sizes = Array.from({ length: dimensions }, (_, i) => content.readUInt32BE(4 + 4 * i));
  const expected = header + sizes.reduce((product, size) => product * size, 1);
  if (content.length !== expected) {
    throw new DataError(`${file} contains ${content.length} bytes, but its header says ${expected}: ${remedy}`);
  }
  return { file, sizes, values: content.subarray(header) };
}

async function unpacked(file: string, content: Buffer, remedy: string): Promise<Buffer> {
  if (content[0] !== 0x1f || content[1] !== 0x8b) return content;
  try {
    return await promisify(gunzip)(content);
  } catch (error) {
    throw new DataError(`${file} (${content.length} bytes) cannot be unpacked: ${reason(error)}; ${remedy}`, {
      cause: error,
    });
  }
}
