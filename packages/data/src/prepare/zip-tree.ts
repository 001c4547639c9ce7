import { DataError } from '@alex/tensor';
import { type Entry, openPromise } from 'yauzl';
import { reason } from '../files.js';
import { ArchiveTree } from './archive-tree.js';
import type { ImageTree } from './image-tree.js';

/**
 * The tree within a zip archive (or Zip64, of any size). It reads the directory once, and the few bytes before the
 * content of each file; nothing is unpacked.
 *
 * @throws DataError if the archive is truncated, damaged or encrypted.
 */
export async function zipTree(file: string): Promise<ImageTree> {
  const tree = new ArchiveTree(file);
  try {
    const zip = await openPromise(file, { autoClose: false });
    try {
      for await (const entry of zip.eachEntry()) {
        if (!tree.wants(entry.fileName)) continue;
        if (!entry.canDecodeFileData()) {
          const why = isEncrypted(entry) ? 'encrypted' : 'compressed by a method other than deflate';
          throw new DataError(`${file}: ${entry.fileName} is ${why}: unpack the archive, and give the folder`);
        }
        const { fileDataStart: offset } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
        const { compressedSize: length, compressionMethod, crc32 } = entry;
        const deflated = compressionMethod !== 0 && { deflated: true };
        tree.add(entry.fileName, { file, offset, length, crc32, ...deflated });
      }
    } finally {
      zip.close();
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${file} is truncated or not a zip archive (${reason(error)}): get it again`, { cause: error });
  }
  return tree;
}

const isEncrypted = ({ generalPurposeBitFlag: flags }: Entry) => (flags & 1) !== 0;
