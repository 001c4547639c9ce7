import { join } from 'node:path';
import { checkOneOf, checkOptions, checkSignal } from '@alex/tensor/kernels';
import { checkPath, checkWhole } from './checks.js';
import { readClassNames } from './class-names.js';
import type { Dataset, Split } from './dataset.js';
import { duplicateRemarks } from './duplicates.js';
import { decodeImage } from './image-file.js';
import { listImageFolder } from './image-folder-list.js';
import { createSplit, defaultCacheBytes, hashOf, type ImageMemory, keepDecoded } from './split.js';
import { digestsOf, type UsableImage, usableImages } from './usable-images.js';

export interface ImageFolderOptions {
  /** Height and width of the images in pixels. Default: 256, as in the paper. */
  size?: number | undefined;
  /**
   * Which images are read and decoded once when the folder is opened, so that unusable ones are found at once and not in the
   * middle of an epoch. Default: `'all'`. An image takes some 5 ms of one core; with `checksFolder`, unchanged files are checked
   * only once.
   */
  checked?: 'all' | 'validation' | 'none' | undefined;
  /** Fraction of all images that may be unusable: they are skipped and reported in `remarks`. Default: 0.001. */
  maxRejected?: number | undefined;
  /** A folder for the results of the checks and lists of unusable images. Default: nothing is stored. */
  checksFolder?: string | undefined;
  /** Memory for decoded images, in bytes. Default: 1 GiB, which is 5,461 images of 256 x 256. */
  cacheBytes?: number | undefined;
  /** Stops the checks. */
  signal?: AbortSignal | undefined;
  /** Called with the number of checked images, and their total. */
  onCheck?: ((done: number, of: number) => void) | undefined;
}

/**
 * A folder of class folders: `train/CLASS/*` with `val/CLASS/*` (or `validation/` or `valid/`; without any of them
 * `dev/` or `test/`), or without validation just `train/CLASS/*` or `CLASS/*`, of which one image in ten of each class
 * (at least one) is held out, chosen by a hash of its name. Classes are numbered in the order of their folders' names;
 * `classes.txt` or `synset_words.txt` in the folder gives them readable names (`n01440764 tench, Tinca tinca`).
 *
 * Images are files directly in a class folder that end in .jpeg, .jpg, .jpe, .jfif, .png, .webp, .gif, .tif, .tiff or
 * .avif, in large or small letters, or that have no extension and start like an image. Everything else is skipped, and
 * counted in the data set's remarks. Images are decoded when they are read: the shorter side scaled to `size`, the central
 * square cropped, EXIF orientation applied, 8-bit RGB, transparent parts white, of several frames the first.
 *
 * @throws DataError if a folder is missing or cannot be read, there are fewer than two classes, a class has no
 *   images, validation has a class that training lacks, more images than `maxRejected` cannot be used or, later, an image
 *   that was not checked or was changed since cannot be read.
 * @throws ConfigError if an option is unknown or invalid.
 */
export async function openImageFolder(directory: string, options: ImageFolderOptions = {}): Promise<Dataset> {
  checkPath('openImageFolder', directory);
  checkOptions('openImageFolder', options, [
    'size',
    'checked',
    'maxRejected',
    'checksFolder',
    'cacheBytes',
    'signal',
    'onCheck',
  ]);
  const { size = 256, cacheBytes = defaultCacheBytes, checksFolder, checked = 'all', signal } = options;
  checkOneOf('openImageFolder', 'checked', checked, ['all', 'validation', 'none']);
  checkSignal('openImageFolder', signal);
  checkWhole('size', size, 1, 4096);
  checkWhole('cacheBytes', cacheBytes, 0);
  const list = await listImageFolder(directory);
  const memory: ImageMemory = { bytesLeft: cacheBytes };
  const { train, validation, remarks } = await usableImages(directory, list, { ...options, size }, memory);
  const { names, remarks: ofNames } = await readClassNames(directory, list.folders);
  const all = [...list.remarks, ...remarks, ...duplicateRemarks(train, validation), ...ofNames];
  return {
    name: directory,
    classes: names,
    channels: 3,
    height: size,
    width: size,
    train: splitOf('training', directory, train, size, memory, checksFolder),
    validation: splitOf('validation', directory, validation, size, memory, checksFolder),
    ...(all.length > 0 && { remarks: all }),
  };
}

function splitOf(
  which: string,
  directory: string,
  images: readonly UsableImage[],
  size: number,
  memory: ImageMemory,
  checksFolder: string | undefined,
): Split {
  const kept = new Map(images.flatMap(({ pixels }, i) => (pixels ? [[i, pixels] as const] : [])));
  const pathOf = (i: number) => join(directory, images[i]!.path);
  return createSplit({
    name: `${directory}, ${which}`,
    height: size,
    width: size,
    channels: 3,
    labels: Uint32Array.from(images, ({ label }) => label),
    imageName: (i) => images[i]!.path,
    place: keepDecoded(memory, async (i, target) => target.set(await decodeImage(pathOf(i), pathOf(i), size)), kept),
    contentHash: async () => hashOf(await digestsOf(directory, images, checksFolder)),
  });
}
