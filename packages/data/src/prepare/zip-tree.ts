import { open } from 'node:fs/promises';
import { DataError } from '@alex/tensor';
import { openPromise } from 'yauzl';
import { reason } from '../files.js';
import type { ImageTree } from './image-tree.js';
import type { Place } from './source.js';

/** Folders of Kaggle's archive without training data: 1.2 million descriptions, lists, and unlabelled images. */
const passedOver = /(^|\/)(Annotations|ImageSets|test)\//;

/** Whether a file is a zip archive, by its first bytes. */
export async function isZip(file: string): Promise<boolean> {
  const head = Buffer.alloc(4);
  const handle = await open(file).catch(() => undefined);
  await handle?.read(head, 0, 4, 0);
  await handle?.close();
  return head.toString('latin1') === 'PK\x03\x04';
}

/**
 * The tree within a zip archive (or Zip64, of any size). It reads the directory once, and the few bytes before the
 * content of each file; nothing is unpacked.
 *
 * @throws DataError if the archive is truncated, damaged or encrypted.
 */
export async function zipTree(file: string): Promise<ImageTree> {
  const folders = new Map<string, { folders: Set<string>; files: Map<string, Place> }>();
  const folderAt = (path: string) => {
    const known = folders.get(path);
    if (known) return known;
    const folder = { folders: new Set<string>(), files: new Map<string, Place>() };
    folders.set(path, folder);
    if (path !== '') {
      const [parent, name] = split(path);
      folderAt(parent).folders.add(name);
    }
    return folder;
  };
  folderAt('');
  try {
    const zip = await openPromise(file, { autoClose: false });
    try {
      for await (const entry of zip.eachEntry()) {
        const [folder, name] = split(entry.fileName);
        if (folder.startsWith('__MACOSX')) continue;
        const passed = passedOver.exec(entry.fileName);
        if (passed) {
          folderAt(entry.fileName.slice(0, passed.index + passed[0].length - 1));
          continue;
        }
        if (name === '') {
          folderAt(folder);
          continue;
        }
        if (name.startsWith('.')) continue;
        if (!entry.canDecodeFileData()) {
          throw new DataError(`${file}: ${entry.fileName} is encrypted or compressed by a method other than deflate`);
        }
        const { fileDataStart: offset } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
        const { compressedSize: length, compressionMethod } = entry;
        folderAt(folder).files.set(name, { file, offset, length, ...(compressionMethod !== 0 && { deflated: true }) });
      }
    } finally {
      zip.close();
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${file} is truncated or not a zip archive (${reason(error)}): get it again`, { cause: error });
  }
  return {
    name: file,
    async list(path) {
      const folder = folders.get(path);
      return folder && { folders: [...folder.folders].sort(), files: [...folder.files.keys()].sort() };
    },
    async place(path) {
      const [folder, name] = split(path);
      return folders.get(folder)?.files.get(name);
    },
  };
}

/** The folder of a path, and the name within it. */
function split(path: string): [folder: string, name: string] {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? ['', path] : [path.slice(0, slash), path.slice(slash + 1)];
}
