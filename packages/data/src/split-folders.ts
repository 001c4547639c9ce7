import { extname, join } from 'node:path';
import { DataError } from '@alex/tensor';
import { type FolderContent, listFolder } from './files.js';
import { imageEndings } from './image-file.js';
import { type Remarks, someOf } from './remarks.js';

/** Names of the folder of training images, in lower case. */
export const trainingNames: readonly string[] = ['train', 'training'];
/** Names of the folder of validation images, in order of preference. */
export const validationNames: readonly string[] = ['val', 'validation', 'valid'];
/** Alternative names, used if there is none of those. */
export const otherNames: readonly string[] = ['dev', 'test', 'testing'];
const splitNames = [...trainingNames, ...validationNames, ...otherNames];

/** The locations of a data set's class folders, as paths within it: empty or with a `/` at the end. */
export interface SplitFolders {
  readonly train: string;
  /** Undefined if images have to be held out. */
  readonly validation?: string;
}

/**
 * Finds out whether a folder contains class folders, or `train/` and possibly `val/` that contain them. A class may be
 * called `train` or `val` too: such a folder is a class if it contains images itself, and so do other folders next to
 * it.
 *
 * @throws DataError if there are validation images but no training images, or such a folder is a broken link.
 */
export async function findSplitFolders(directory: string, remarks: Remarks): Promise<SplitFolders> {
  const top = await listFolder(directory);
  const dead = top.deadLinks.find((name) => splitNames.includes(name.toLowerCase()));
  // Otherwise, training images would be held out instead of validation images on a disk that is not mounted.
  if (dead !== undefined) await listFolder(join(directory, dead));
  const named = top.folders.filter((folder) => splitNames.includes(folder.toLowerCase()));
  if (named.length === 0) return { train: '' };
  const others = top.folders.filter((folder) => !named.includes(folder));
  const besides = await anyOf(others, async (folder) => holdsImages(await listFolder(join(directory, folder))));
  const looked = new Map<string, Look>();
  for (const folder of named) looked.set(folder, await lookInto(join(directory, folder)));
  const isClass = ({ images, classFolders }: Look) => besides && images && classFolders < 2;
  const splits = named.filter((folder) => !isClass(looked.get(folder)!));
  const first = (names: readonly string[], usable: (look: Look) => boolean = () => true) =>
    names
      .flatMap((name) => splits.filter((folder) => folder.toLowerCase() === name))
      .find((folder) => usable(looked.get(folder)!));

  if (splits.length < named.length) {
    const classes = named.filter((folder) => !splits.includes(folder));
    remarks.say(`Read as classes, like the folders next to them: ${someOf(classes)}.`);
  }
  if (splits.length === 0) return { train: '' };
  const train = first(trainingNames);
  if (train === undefined) {
    throw new DataError(`${directory} has ${splits[0]}/ but no train/: add the training images`);
  }
  const own = first(validationNames);
  const validation = own ?? first(otherNames, ({ classFolders }) => classFolders > 0);
  if (own === undefined && validation !== undefined) {
    remarks.say(`There is no val/: the images of ${validation}/ are used for validation.`);
  }
  const unused = top.folders.filter((folder) => folder !== train && folder !== validation);
  if (unused.length > 0) {
    const beside = validation === undefined ? `${train}/` : `${train}/ and ${validation}/`;
    const instead = validation === undefined ? ' One image in ten of each class is held out for validation.' : '';
    remarks.say(`Folders next to ${beside} are skipped: ${someOf(unused)}.${instead}`);
  }
  return { train: `${train}/`, ...(validation !== undefined && { validation: `${validation}/` }) };
}

interface Look {
  /** Whether it directly contains images. */
  readonly images: boolean;
  /** Number of its folders that directly contain images, as far as it matters: 0, 1 or 2. */
  readonly classFolders: number;
}

async function lookInto(folder: string): Promise<Look> {
  const content = await listFolder(folder);
  let classFolders = 0;
  for (const inner of content.folders) {
    if (classFolders < 2 && holdsImages(await listFolder(join(folder, inner)))) classFolders++;
  }
  return { images: holdsImages(content), classFolders };
}

/** By names only: this decides on folders, and the files are checked later. */
const holdsImages = ({ files }: FolderContent) =>
  files.some((file) => imageEndings.includes(extname(file).toLowerCase()));

async function anyOf<Value>(values: readonly Value[], test: (value: Value) => Promise<boolean>): Promise<boolean> {
  for (const value of values) if (await test(value)) return true;
  return false;
}
