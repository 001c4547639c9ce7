import { createHash } from 'node:crypto';
import { basename, extname, join } from 'node:path';
import { DataError } from '@alex/tensor';
import { checkWhole } from './checks.js';
import { readClassNames } from './class-names.js';
import type { Dataset, Split } from './dataset.js';
import { listFolder } from './files.js';
import { checkSignature, decodeImage, imageEndings } from './image-file.js';
import { createSplit, defaultCacheBytes, forEachLimited, type ImageMemory, keepDecoded } from './split.js';

export interface ImageFolderOptions {
  /** Height and width of the images in pixels; 256 unless said, as in the paper. */
  size?: number | undefined;
  /**
   * Look at the first bytes of every file when the folder is opened, so that a text called `.JPEG` is found at once and
   * not in the middle of an epoch. Unless said: yes below 100,000 files (about 0.1 ms a file), no above.
   */
  verify?: boolean | undefined;
  /** Bytes of decoded images to keep in memory; 1 GiB unless said, which is 5,461 images of 256 x 256. */
  cacheBytes?: number | undefined;
}

const trainingFolder = 'train';
const validationFolders = ['val', 'validation'];
const verifyBelow = 100_000;
const filesAtATime = 16;

/** Of a class without held-out images one in ten is held out. */
const heldOutShare = 0.1;

/** An image file: its path within the data set (with `/` on every system), and its class. */
export interface ImageFile {
  readonly path: string;
  readonly label: number;
}

/**
 * A folder of class folders: `train/CLASS/*` with `val/CLASS/*` (or `validation/CLASS/*`), or without validation just
 * `train/CLASS/*` or `CLASS/*`, of which one image in ten of each class (at least one) is held out, chosen by a hash
 * of its name. Classes are numbered in the order of their folders' names; `classes.txt` or `synset_words.txt` in the
 * folder gives them readable names (`n01440764 tench, Tinca tinca`).
 *
 * Images are files directly in a class folder that end in .jpeg, .jpg, .png, .webp, .gif, .tif, .tiff or .avif, in
 * large or small letters; other and hidden files are passed over. They are decoded when they are read: the shorter side
 * scaled to `size`, the central square cut out, turned as the camera noted, 8-bit RGB, transparent parts white.
 *
 * @throws DataError where a folder is missing or cannot be read, there are fewer than two classes, a class has no
 *   images, validation has a class that training lacks, or a file is no image (when it is opened or, without
 *   `verify`, read).
 * @throws ConfigError where an option is not possible.
 */
export async function openImageFolder(directory: string, options: ImageFolderOptions = {}): Promise<Dataset> {
  const { size = 256, cacheBytes = defaultCacheBytes } = options;
  checkWhole('size', size, 1, 4096);
  checkWhole('cacheBytes', cacheBytes, 0);
  const { folders, train, validation } = await listImageFolder(directory);
  const files = [...train, ...validation];
  if (options.verify ?? files.length < verifyBelow) {
    await forEachLimited(files.length, filesAtATime, (i) => {
      const file = join(directory, files[i]!.path);
      return checkSignature(file, file);
    });
  }
  const memory: ImageMemory = { bytesLeft: cacheBytes };
  return {
    name: directory,
    classes: await readClassNames(directory, folders),
    channels: 3,
    height: size,
    width: size,
    train: splitOf('training', directory, train, size, memory),
    validation: splitOf('validation', directory, validation, size, memory),
  };
}

/** The images of an image folder, before any of them is looked at. */
export interface ImageFolderList {
  /** The class folders' names, in the order of their labels. */
  readonly folders: readonly string[];
  readonly train: readonly ImageFile[];
  readonly validation: readonly ImageFile[];
}

/** Lists an image folder as `openImageFolder` describes it. */
export async function listImageFolder(directory: string): Promise<ImageFolderList> {
  const top = await listFolder(directory);
  const validationFolder = validationFolders.find((folder) => top.folders.includes(folder));
  const hasTraining = top.folders.includes(trainingFolder);
  if (validationFolder !== undefined && !hasTraining) {
    throw new DataError(
      `${directory} has ${validationFolder}/ but no ${trainingFolder}/: add the images to learn from`,
    );
  }

  const trainingRoot = hasTraining ? `${trainingFolder}/` : '';
  const folders = (await listFolder(join(directory, trainingRoot))).folders;
  checkClasses(join(directory, trainingRoot), folders);
  let train = await listImages(directory, trainingRoot, folders, folders);
  let validation: ImageFile[];
  if (validationFolder === undefined) {
    ({ train, validation } = holdOut(join(directory, trainingRoot), folders, train));
  } else {
    const present = (await listFolder(join(directory, validationFolder))).folders;
    const unknown = present.find((folder) => !folders.includes(folder));
    if (unknown !== undefined) {
      throw new DataError(
        `${join(directory, validationFolder)} has the class ${unknown}, which ${trainingFolder}/ lacks: add it there or remove it here`,
      );
    }
    validation = await listImages(directory, `${validationFolder}/`, present, folders);
    if (validation.length === 0) {
      throw new DataError(
        `${join(directory, validationFolder)} has no class folders: add some, or remove it to hold out one image in ten`,
      );
    }
  }
  return { folders, train, validation };
}

function checkClasses(folder: string, classes: readonly string[]): void {
  if (classes.length >= 2) return;
  const found = classes.length === 0 ? 'no class folders' : `one class folder only, ${classes[0]}`;
  throw new DataError(
    `${folder} has ${found}: it needs at least two classes, a folder of images for each (train/CLASS/* and val/CLASS/*, or CLASS/*)`,
  );
}

/** The images of the given class folders, class after class, by name. */
async function listImages(
  directory: string,
  root: string,
  folders: readonly string[],
  classes: readonly string[],
): Promise<ImageFile[]> {
  const images: ImageFile[] = [];
  for (const folder of folders) {
    const label = classes.indexOf(folder);
    const { files } = await listFolder(join(directory, root, folder));
    const names = files.filter((file) => imageEndings.includes(extname(file).toLowerCase()));
    if (names.length === 0) {
      throw new DataError(
        `${join(directory, root, folder)} has no images: put files that end in ${imageEndings.join(', ')} directly into it, or remove it`,
      );
    }
    for (const name of names) images.push({ path: `${root}${folder}/${name}`, label });
  }
  return images;
}

/** Holds out the images of each class whose names have the lowest hashes: the same ones every time. */
function holdOut(
  folder: string,
  classes: readonly string[],
  images: readonly ImageFile[],
): { train: ImageFile[]; validation: ImageFile[] } {
  const byClass = classes.map((): ImageFile[] => []);
  for (const image of images) byClass[image.label]!.push(image);
  const heldOut = new Set<ImageFile>();
  byClass.forEach((ofClass, label) => {
    if (ofClass.length < 2) {
      throw new DataError(
        `${join(folder, classes[label]!)} has one image only: give two, one to learn from and one to hold out`,
      );
    }
    const hashes = new Map(ofClass.map((image) => [image, hash(`${classes[label]}/${basename(image.path)}`)]));
    const sorted = ofClass.toSorted((a, b) => (hashes.get(a)! < hashes.get(b)! ? -1 : 1));
    const count = Math.max(1, Math.round(ofClass.length * heldOutShare));
    for (const image of sorted.slice(0, count)) heldOut.add(image);
  });
  return {
    train: images.filter((image) => !heldOut.has(image)),
    validation: images.filter((image) => heldOut.has(image)),
  };
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
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
