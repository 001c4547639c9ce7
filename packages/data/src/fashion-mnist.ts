import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError } from '@alex/tensor';
import type { Dataset, Split } from './dataset.js';
import { readWhole, reason } from './files.js';
import { createSplit } from './split.js';

/** The classes in the order of their labels, as https://github.com/zalandoresearch/fashion-mnist lists them. */
const clothes = [
  'T-shirt/top',
  'trouser',
  'pullover',
  'dress',
  'coat',
  'sandal',
  'shirt',
  'sneaker',
  'bag',
  'ankle boot',
] as const;

const numbers = Array.from({ length: 10 }, (_, label) => `${label}`);

/** Sets that come in files of the same names, told by how the labels of their training images begin. */
const sets = [
  { name: 'Fashion-MNIST', classes: clothes, begins: [9, 0, 0, 3, 0, 2, 7, 2, 5, 5] },
  { name: 'MNIST', classes: numbers, begins: [5, 0, 4, 1, 9, 2, 1, 3, 1, 4] },
] as const;

const side = 28;
const files = {
  train: { images: 'train-images-idx3-ubyte.gz', labels: 'train-labels-idx1-ubyte.gz' },
  validation: { images: 't10k-images-idx3-ubyte.gz', labels: 't10k-labels-idx1-ubyte.gz' },
};

/** The files by which a folder is known to hold Fashion-MNIST, or a set in the same form. */
export const mnistFiles: readonly string[] = Object.values(files).flatMap(({ images, labels }) => [images, labels]);

const remedy =
  'get the four files again from https://github.com/zalandoresearch/fashion-mnist, or install the Debian package dataset-fashion-mnist';

/** Where Debian's package `dataset-fashion-mnist` puts the files. */
export const debianFashionMnist = '/usr/share/datasets/fashion-mnist';

/**
 * Fashion-MNIST from its four gzipped IDX files: 60,000 training and 10,000 validation images, grey (one channel),
 * 28 x 28, all in memory (55 MB).
 *
 * @param directory the folder that holds them; unless said, where Debian's package `dataset-fashion-mnist` puts them
 * @throws DataError where a file is missing, broken off, no IDX file, or does not fit the others; where the images are
 *   those of another set, such as MNIST's digits, whose files have the same names.
 */
export async function openFashionMnist(directory: string = debianFashionMnist): Promise<Dataset> {
  const dataset = await openMnist(directory);
  if (dataset.name === 'Fashion-MNIST') return dataset;
  const found = dataset.name === 'MNIST' ? "MNIST's digits" : 'labels of another set';
  throw new DataError(`${directory} holds ${found}, not Fashion-MNIST: ${remedy}`);
}

/**
 * Fashion-MNIST, MNIST or another set of ten classes in four gzipped IDX files of the same names: told by its labels.
 *
 * @throws DataError as {@link openFashionMnist}, but for what set it is
 */
export async function openMnist(directory: string): Promise<Dataset> {
  const train = await readSplit('training', directory, files.train);
  const known = sets.find(({ begins }) => begins.every((label, i) => train.labels[i] === label));
  return {
    name: known?.name ?? 'images in IDX files',
    classes: known?.classes ?? numbers,
    channels: 1,
    height: side,
    width: side,
    train,
    validation: await readSplit('validation', directory, files.validation),
    ...(!known && {
      remarks: [
        'The labels are neither those of Fashion-MNIST nor of MNIST, so the classes are called by their numbers.',
      ],
    }),
  };
}

async function readSplit(which: string, directory: string, names: { images: string; labels: string }): Promise<Split> {
  const images = await readIdx(join(directory, names.images), 3);
  const [count, height, width] = images.sizes;
  if (count === 0 || height !== side || width !== side) {
    throw new DataError(
      `${images.file} holds ${count} images of ${height} x ${width}, expected some of ${side} x ${side}: ${remedy}`,
    );
  }
  const labels = await readIdx(join(directory, names.labels), 1);
  if (labels.sizes[0] !== count) {
    throw new DataError(`${labels.file} holds ${labels.sizes[0]} labels for ${count} images: ${remedy}`);
  }
  const wrong = labels.values.findIndex((label) => label >= numbers.length);
  if (wrong >= 0) {
    throw new DataError(
      `${labels.file}: label ${wrong} is ${labels.values[wrong]}, labels are 0 to ${numbers.length - 1}: ${remedy}`,
    );
  }
  const bytes = side * side;
  return createSplit({
    name: `${directory}, ${which}`,
    height: side,
    width: side,
    channels: 1,
    labels: Uint32Array.from(labels.values),
    imageName: (i) => `${names.images}#${i}`,
    place: (i, target) => target.set(images.values.subarray(i * bytes, (i + 1) * bytes)),
  });
}

interface Idx {
  file: string;
  sizes: number[];
  values: Uint8Array;
}

/** The number that begins an IDX file: two zero bytes, 8 for unsigned bytes, then how many dimensions follow. */
const idxBytes = 0x0800;

async function readIdx(file: string, dimensions: number): Promise<Idx> {
  const packed = await readWhole(file, remedy);
  let content: Buffer;
  try {
    content = await promisify(gunzip)(packed);
  } catch (error) {
    throw new DataError(`${file} (${packed.length} bytes) cannot be unpacked: ${reason(error)}; ${remedy}`, {
      cause: error,
    });
  }
  const header = 4 + 4 * dimensions;
  const magic = content.length >= 4 ? content.readUInt32BE(0) : undefined;
  if (magic !== idxBytes + dimensions || content.length < header) {
    const found = magic === undefined ? 'nothing' : `0x${magic.toString(16).padStart(8, '0')}`;
    throw new DataError(
      `${file} begins with ${found}, expected 0x${(idxBytes + dimensions).toString(16).padStart(8, '0')} (IDX, bytes, ${dimensions} dimensions): ${remedy}`,
    );
  }
  const sizes = Array.from({ length: dimensions }, (_, i) => content.readUInt32BE(4 + 4 * i));
  const expected = header + sizes.reduce((product, size) => product * size, 1);
  if (content.length !== expected) {
    throw new DataError(`${file} unpacks to ${content.length} bytes, its header promises ${expected}: ${remedy}`);
  }
  return { file, sizes, values: content.subarray(header) };
}
