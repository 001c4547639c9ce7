import { basename, join } from 'node:path';
import { DataError } from '@alex/tensor';
import { type EmptyFolder, listClassFolders } from './class-folders.js';
import { holdOut } from './hold-out.js';
import { imageEndings } from './image-file.js';
import { Remarks, someOf } from './remarks.js';
import { findSplitFolders, trainingNames } from './split-folders.js';

/** An image file: its path within the data set (with `/` on every system), and its class. */
export interface ImageFile {
  readonly path: string;
  readonly label: number;
}

/** The images of an image folder, before any of them is checked. */
export interface ImageFolderList {
  /** The class folders' names, in the order of their labels. */
  readonly folders: readonly string[];
  readonly train: readonly ImageFile[];
  readonly validation: readonly ImageFile[];
  /** Which files were skipped, and how ambiguous names were interpreted. */
  readonly remarks: readonly string[];
}

/** Lists an image folder as `openImageFolder` describes it. */
export async function listImageFolder(directory: string): Promise<ImageFolderList> {
  const remarks = new Remarks();
  const roots = await findSplitFolders(directory, remarks);
  const { images: byClass, empty } = await listClassFolders(directory, roots.train, remarks);
  const folders = [...byClass.keys()];
  if (empty.length > 0) throw withoutImages(directory, empty);
  checkClasses(join(directory, roots.train), folders);
  remarkOnAlike(folders, remarks);
  const labelled = (images: ReadonlyMap<string, readonly string[]>) =>
    [...images].flatMap(([name, paths]) => {
      const label = folders.indexOf(name);
      return paths.map((path): ImageFile => ({ path, label }));
    });
  const all = labelled(byClass);
  if (roots.validation === undefined) {
    const whereOf = (label: number) => join(directory, roots.train, folders[label]!);
    return {
      folders,
      ...holdOut(folders, all, ({ path }) => basename(path), whereOf),
      remarks: remarks.lines(),
    };
  }
  const { images: held, empty: emptyHeld } = await listClassFolders(directory, roots.validation, remarks);
  const validation = join(directory, roots.validation);
  // Those of known classes are reported below.
  const emptyUnknown = emptyHeld.filter(({ name }) => !byClass.has(name)).map(({ path }) => path);
  if (emptyUnknown.length > 0) remarks.say(`Folders without images are skipped: ${someOf(emptyUnknown)}.`);
  const unknown = [...held.keys()].filter((name) => !byClass.has(name));
  if (unknown.length > 0) {
    const alike = folders.find((name) => name.toLowerCase() === unknown[0]!.toLowerCase());
    const other = alike === undefined ? '' : ` (it has ${alike})`;
    throw new DataError(
      `${validation} has the ${unknown.length === 1 ? 'class' : 'classes'} ${someOf(unknown)}, which ${roots.train} does not have${other}: add images there or remove them here`,
    );
  }
  if (held.size === 0) {
    throw new DataError(`${validation} has no class folders: add some, or remove it to hold out one image in ten`);
  }
  const without = folders.filter((name) => !held.has(name));
  if (without.length > 0) {
    const count = without.length === 1 ? '1 class has' : `${without.length} classes have`;
    remarks.say(`${count} no validation images: ${someOf(without)}.`);
  }
  return { folders, train: all, validation: labelled(held), remarks: remarks.lines() };
}

/** Often one class that was written in two ways. Some systems cannot even keep both. */
function remarkOnAlike(classes: readonly string[], remarks: Remarks): void {
  const known = new Map<string, string>();
  for (const name of classes) {
    const plain = name.trim().toLowerCase();
    const alike = known.get(plain);
    if (alike === undefined) known.set(plain, name);
    else remarks.say(`${alike} and ${name} are two classes, whose names differ only in case or spaces.`);
  }
}

function checkClasses(folder: string, classes: readonly string[]): void {
  if (classes.length >= 2) return;
  const found = classes.length === 0 ? 'no class folders' : `only one class folder, ${classes[0]}`;
  throw new DataError(
    `${folder} has ${found}: it needs at least two classes, a folder of images for each (train/CLASS/* and val/CLASS/*, or CLASS/*)`,
  );
}

/** All of them at once, so that users need not fix them one by one. */
function withoutImages(directory: string, empty: readonly EmptyFolder[]): DataError {
  const [{ path, inner }] = empty as [EmptyFolder, ...EmptyFolder[]];
  const where = join(directory, path);
  if (inner !== undefined && trainingNames.includes(inner.toLowerCase())) {
    return new DataError(`${where} contains ${inner}/: give that folder, or remove it`);
  }
  const others =
    empty.length === 1
      ? ''
      : `; ${someOf(empty.slice(1).map((folder) => folder.path))} ${empty.length === 2 ? 'has' : 'have'} none either`;
  const folder = inner === undefined ? '' : `, but a folder ${inner}`;
  return new DataError(
    `${where} has no images${folder}${others}: put files that end in ${imageEndings.join(', ')} directly into it, or remove it`,
  );
}
