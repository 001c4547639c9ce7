import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { deadLink, errorCode, filesAndLinks, listFolder, readError } from '../files.js';
import type { Place } from './source.js';

/** Names of the folders and files directly in a folder, sorted, without hidden ones. */
export interface TreeFolder {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

/** Folders and files, on disk or within an archive. Paths have `/` between names; the root is empty. */
export interface ImageTree {
  /** Its name in errors: the path of the folder or archive. */
  readonly name: string;
  /** The contents of a folder, or undefined if there is no such folder. */
  list(folder: string): Promise<TreeFolder | undefined>;
  /** The location of a file's content, or undefined if there is no such file. */
  place(file: string): Promise<Place | undefined>;
  /** The path on disk of a folder that may contain other files of the data set; undefined within an archive. */
  onDisk(folder: string): string | undefined;
}

/** The tree of a folder on disk. Paths may lead out of it with `..`. */
export function folderTree(root: string): ImageTree {
  return {
    name: root,
    async list(folder) {
      const path = join(root, folder);
      const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
      if (!isFolder) return undefined;
      const content = await listFolder(path);
      // A broken link counts as a file that cannot be read.
      return { folders: content.folders, files: filesAndLinks(content) };
    },
    async place(file) {
      const path = join(root, file);
      try {
        return { file: path, offset: 0, length: (await stat(path)).size };
      } catch (error) {
        if (deadLink(path, error)) return { file: path, offset: 0, length: 0 };
        if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
        throw readError(path, error);
      }
    },
    onDisk: (folder) => (folder.startsWith('..') ? undefined : join(root, folder)),
  };
}
