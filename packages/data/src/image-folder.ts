import { basename, join } from 'node:path';
import { DataError } from '@alex/tensor';
import { checkWhole } from './checks.js';
import { listClassFolders } from './class-folders.js';
import { readClassNames } from './class-names.js';
import type { Dataset, Split } from './dataset.js';
import { holdOut } from './hold-out.js';
import { checkSignature, decodeImage } from './image-file.js';
import { Remarks, someOf } from './remarks.js';
import { createSplit, defaultCacheBytes, forEachLimited, type ImageMemory, keepDecoded } from './split.js';
import { findSplitFolders } from './split-folders.js';

export interface ImageFolderOptions {
  /** Height and width of the images in pixels. Default: 256, as in the paper. */
  size?: number | undefined;
  /**
   * Whether to check the first bytes of every file when the folder is opened, so that a text file called `.JPEG` is
   * found immediately and not in the middle of an epoch. Default: yes below 100,000 files (about 0.1 ms per file), no
   * above.
   */
  verify?: boolean | undefined;
  /** Memory for decoded images, in bytes. Default: 1 GiB, which is 5,461 images of 256 x 256. */
  cacheBytes?: number | undefined;
}

const verifyBelow = 100_000;
const filesAtATime = 16;

/** An image file: its path within the data set (with `/` on every system), and its class. */
export interface ImageFile {
  readonly path: string;
  readonly label: number;
}

/**
 * A folder of class folders: `train/CLASS/*` with `val/CLASS/*` (or `validation/` or `valid/`; without any of them
 * `dev/` or `test/`), or without validation just `train/CLASS/*` or `CLASS/*`, of which one image in ten of each class
 * (at least one) is held out, chosen by a hash of its name. Classes are numbered in the order of their folders' names;
 * `classes.txt` or `synset_words.txt` in the folder gives them readable names (`n01440764 tench, Tinca tinca`).
 *
 * Images are files directly in a class folder with the extension .jpeg, .jpg, .jpe, .jfif, .png, .webp, .gif, .tif,
 * .tiff or .avif, in upper or lower case, or without an extension if they begin like an image. Everything else is
 * skipped, and counted in the data set's remarks. Images are decoded when they are read: the shorter side is scaled to
 * `size`, the central square is cropped, the camera's rotation is applied; 8-bit RGB, with transparent parts white.
 *
 * @throws DataError if a folder is missing or cannot be read, there are fewer than two classes, a class has no images,
 * validation has a class that training lacks, or a file is not an image (when it is opened or, without `verify`, read).
 * @throws ConfigError if an option is invalid.
 */
export async function openImageFolder(directory: string, options: ImageFolderOptions = {}): Promise<Dataset> {
  const { size = 256, cacheBytes = defaultCacheBytes } = options;
  checkWhole('size', size, 1, 4096);
  checkWhole('cacheBytes', cacheBytes, 0);
  const { folders, train, validation, remarks } = await listImageFolder(directory);
  const files = [...train, ...validation];
  if (options.verify ?? files.length < verifyBelow) {
    await forEachLimited(files.length, filesAtATime, (i) => {
      const file = join(directory, files[i]!.path);
      return checkSignature(file, file);
    });
  }
  const memory: ImageMemory = { bytesLeft: cacheBytes };
  const { names, remarks: ofNames } = await readClassNames(directory, folders);
  const all = [...remarks, ...ofNames];
  return {
    name: directory,
    classes: names,
    channels: 3,
    height: size,
    width: size,
    train: splitOf('training', directory, train, size, memory),
    validation: splitOf('validation', directory, validation, size, memory),
    ...(all.length > 0 && { remarks: all }),
  };
}

/** The images of an image folder, before any of them is opened. */
export interface ImageFolderList {
  /** The class folders' names, in the order of their labels. */
  readonly folders: readonly string[];
  readonly train: readonly ImageFile[];
  readonly validation: readonly ImageFile[];
  /** What was skipped, and how ambiguous contents were interpreted. */
  readonly remarks: readonly string[];
}

/** Lists an image folder as described at `openImageFolder`. */
export async function listImageFolder(directory: string): Promise<ImageFolderList> {
  const remarks = new Remarks();
  const roots = await findSplitFolders(directory, remarks);
  const byClass = await listClassFolders(directory, roots.train, remarks);
  const folders = [...byClass.keys()];
  checkClasses(join(directory, roots.train), folders);
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
  const held = await listClassFolders(directory, roots.validation, remarks);
  const validation = join(directory, roots.validation);
  const unknown = [...held.keys()].find((name) => !byClass.has(name));
  if (unknown !== undefined) {
    throw new DataError(
      `${validation} has the class ${unknown}, which ${roots.train} does not have: add it there or remove it here`,
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

function checkClasses(folder: string, classes: readonly string[]): void {
  if (classes.length >= 2) return;
  const found = classes.length === 0 ? 'no class folders' : `only one class folder, ${classes[0]}`;
  throw new DataError(
    `${folder} has ${found}: it needs at least two classes, a folder of images for each (train/CLASS/* and val/CLASS/*, or CLASS/*)`,
  );
}

function splitOf(
  which: string,
  directory: string,
  files: readonly ImageFile[],
  size: number,
  memory: ImageMemory,
): Split {
  return createSplit({
    name: `${directory}, ${which}`,
    height: size,
    width: size,
    channels: 3,
    labels: Uint32Array.from(files, ({ label }) => label),
    imageName: (i) => files[i]!.path,
    place: keepDecoded(memory, async (i, target) => {
      const file = join(directory, files[i]!.path);
      target.set(await decodeImage(file, file, size));
    }),
  });
}
