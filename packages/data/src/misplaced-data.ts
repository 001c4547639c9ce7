import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cifarVersionOf } from './cifar.js';
import { contentKindOf } from './content-kind.js';
import { type FolderContent, filesAndLinks, listFolder } from './files.js';
import { areMnistFiles } from './mnist.js';
import { folderTree } from './prepare/image-tree.js';
import { findImagenetFolders } from './prepare/imagenet-folders.js';
import { headOf } from './prepare/plain-archive.js';
import { manifestFile } from './prepared/manifest.js';
import { validationNames } from './split-folders.js';

/**
 * The number of folders that are searched: a data set is in one of a few folders, but there may be thousands of classes.
 */
const mostLookedInto = 20;
const deepest = 2;

/**
 * What to do with a file that was given in place of a folder; undefined if it is not a file.
 *
 * @param otherwise what to do with a file that is not an archive
 */
export async function adviceOnFile(path: string, otherwise: string): Promise<string | undefined> {
  const kind = await stat(path).catch(() => undefined);
  if (!kind?.isFile()) return undefined;
  const is = contentKindOf(await headOf(path))?.is;
  const isArchive = is !== undefined && /archive|gzip/.test(is);
  const what = is === undefined ? 'a file' : is.startsWith('compressed') ? `a file ${is}` : is;
  return `${path} is ${what}: ${isArchive ? 'prepare it first, with prepare --from, or unpack it' : otherwise}`;
}

/** Where data are that are not in the expected folder, and what to do; undefined if none are found. */
export async function adviceOnFolder(directory: string, content: FolderContent): Promise<string | undefined> {
  const prepare = 'prepare it first, with prepare --from';
  const tree = folderTree(directory);
  for (const root of await findImagenetFolders(tree)) {
    const beside = (await tree.list(root))?.folders ?? [];
    const name = beside.find((folder) => validationNames.includes(folder.toLowerCase()));
    const validation = name === undefined ? undefined : await tree.list(join(root, name));
    const isFlat = validation?.folders.length === 0 && validation.files.length > 0;
    if (isFlat) return `${directory} contains ImageNet, whose validation images are in one folder: ${prepare}`;
    if (root !== '') return `${join(directory, root)} contains ImageNet: give that folder, or ${prepare}`;
  }
  const inner = await findKnown(directory, content, deepest);
  return inner && `${inner.folder} contains ${inner.what}: give that folder`;
}

async function findKnown(
  directory: string,
  { folders }: FolderContent,
  depth: number,
): Promise<{ folder: string; what: string } | undefined> {
  if (folders.length > mostLookedInto || depth === 0) return undefined;
  for (const name of folders) {
    const folder = join(directory, name);
    const content = await listFolder(folder).catch(() => undefined);
    if (!content) continue;
    const files = filesAndLinks(content);
    if (files.includes(manifestFile)) return { folder, what: 'prepared data' };
    const cifar = cifarVersionOf(files);
    if (cifar) return { folder, what: `files of ${cifar.name}` };
    if (areMnistFiles(files)) return { folder, what: 'files in the format of MNIST' };
    const further = await findKnown(folder, content, depth - 1);
    if (further) return further;
  }
  return undefined;
}
