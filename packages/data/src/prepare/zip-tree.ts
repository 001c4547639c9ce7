import { DataError } from '@alex/tensor';
import { openPromise } from 'yauzl';
import { reason } from '../files.js';
import { ArchiveTree } from './archive-tree.js';
import type { ImageTree } from './image-tree.js';

/**
 * The tree within a zip archive (or Zip64, of any size). Its directory is read once, and of each file the few bytes that
 * lie before its content; nothing is unpacked.
 *
 * @throws DataError where the archive breaks off, is damaged or encrypted.
 */
export async function zipTree(file: string): Promise<ImageTree> {
  const tree = new ArchiveTree(file);
  try {
    const zip = await openPromise(file, { autoClose: false });
    try {
      for await (const entry of zip.eachEntry()) {
        if (!tree.wants(entry.fileName)) continue;
        if (!entry.canDecodeFileData()) {
          throw new DataError(`${file}: ${entry.fileName} is encrypted or compressed in another way than by deflate`);
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
    throw new DataError(`${file} breaks off or is no zip archive (${reason(error)}): get it again`, { cause: error });
  }
  return tree;
}
