import { join } from 'node:path';
import { DataError } from '@alex/tensor';
import { checkPath } from './checks.js';
import type { Dataset, Split } from './dataset.js';
import { filesAndLinks, listFolder } from './files.js';
import { type Idx, readIdx } from './idx-file.js';
import { createSplit, hashOf } from './split.js';

/** A data set in MNIST's format. The file names of all of these are the same, so it is identified by its labels. */
interface Known {
  readonly name: string;
  readonly classes: readonly string[];
  /** The labels of the first ten images for training and for validation. */
  readonly labels: readonly [train: string, validation: string];
}

const mnist: Known = {
  name: 'MNIST',
  classes: [...'0123456789'],
  labels: ['5041921314', '7210414959'],
};

const fashionMnist: Known = {
  name: 'Fashion-MNIST',
  // In the order of their labels, as listed at https://github.com/zalandoresearch/fashion-mnist.
  classes: ['T-shirt/top', 'trouser', 'pullover', 'dress', 'coat', 'sandal', 'shirt', 'sneaker', 'bag', 'ankle boot'],
  labels: ['9003027255', '9211614657'],
};

const side = 28;
const files = {
  train: { images: 'train-images-idx3-ubyte', labels: 'train-labels-idx1-ubyte' },
  validation: { images: 't10k-images-idx3-ubyte', labels: 't10k-labels-idx1-ubyte' },
};
const fileNames = Object.values(files).flatMap(({ images, labels }) => [images, labels]);

/**
 * The name that MNIST's authors use: some copies are unpacked, or have a dot instead of a dash
 * (`train-images.idx3-ubyte`).
 */
const usualName = (file: string) => file.replace(/\.gz$/, '').replace('.idx', '-idx');

/** Whether files are in MNIST's format, by their names. */
export const areMnistFiles = (found: readonly string[]): boolean =>
  found.some((file) => fileNames.includes(usualName(file)));

/** The folder of Debian's package `dataset-fashion-mnist`. */
export const debianFashionMnist = '/usr/share/datasets/fashion-mnist';

const remedy = 'get the four files again';
const fashionRemedy =
  'get the four files again from https://github.com/zalandoresearch/fashion-mnist, or install the Debian package dataset-fashion-mnist';

/**
 * MNIST, or a data set in its format, from its four IDX files, gzipped or not: grey images (one channel) of 28 x 28,
 * all in memory (55 MB). MNIST and Fashion-MNIST are recognized by their labels and get the names of their classes. The
 * classes of other data sets are named by their numbers, with a remark.
 *
 * @param directory the folder that contains them
 * @throws DataError if a file is missing, truncated, not an IDX file, or does not fit the others.
 */
export async function openMnist(directory: string): Promise<Dataset> {
  return readMnist(directory, remedy);
}

/**
 * Fashion-MNIST from its four IDX files, read like `openMnist`: 60,000 training and 10,000 validation images.
 *
 * @param directory the folder that contains them. Default: that of Debian's package `dataset-fashion-mnist`
 * @throws DataError if a file is missing, truncated, not an IDX file, or does not fit the others, or if the folder
 * contains another data set in MNIST's format.
 */
export async function openFashionMnist(directory: string = debianFashionMnist): Promise<Dataset> {
  const dataset = await readMnist(directory, fashionRemedy);
  if (dataset.name === fashionMnist.name) return dataset;
  throw new DataError(
    `${directory} contains ${dataset.name}, not Fashion-MNIST: prepare it as mnist, or ${fashionRemedy}`,
  );
}

async function readMnist(directory: string, remedy: string): Promise<Dataset> {
  checkPath('MNIST', directory);
  const found = filesAndLinks(await listFolder(directory));
  const read = async (name: string, dimensions: number) => {
    const file = found.find((file) => usualName(file) === name) ?? `${name}.gz`;
    return readIdx(join(directory, file), dimensions, remedy);
  };
  const [train, validation] = [
    { images: await read(files.train.images, 3), labels: await read(files.train.labels, 1) },
    { images: await read(files.validation.images, 3), labels: await read(files.validation.labels, 1) },
  ];
  const [learnt, held] = [knownBy(train.labels, 0), knownBy(validation.labels, 1)];
  if (learnt && held && learnt !== held) {
    throw new DataError(
      `${directory} contains the training files of ${learnt.name} and the validation files of ${held.name}: ${remedy}, all of one data set`,
    );
  }
  const highest = [train, validation].flatMap(({ labels }) => [...labels.values]).reduce((a, b) => Math.max(a, b), 1);
  const known = learnt === held ? learnt : undefined;
  const classes = known?.classes ?? Array.from({ length: highest + 1 }, (_, label) => `${label}`);
  const name = known?.name ?? 'images in the format of MNIST';
  return {
    name,
    classes,
    channels: 1,
    height: side,
    width: side,
    train: splitOf(`${name}, training`, files.train.images, train, classes.length, remedy),
    validation: splitOf(`${name}, validation`, files.validation.images, validation, classes.length, remedy),
    ...(!known && {
      remarks: ["The labels are neither MNIST's nor Fashion-MNIST's, so the classes are named by their numbers."],
    }),
  };
}

const knownBy = (idx: Idx, split: 0 | 1) => [mnist, fashionMnist].find(({ labels }) => begins(idx, labels[split]));

const begins = ({ values }: Idx, labels: string) => values.subarray(0, labels.length).join('') === labels;

function splitOf(
  name: string,
  imagesName: string,
  { images, labels }: { images: Idx; labels: Idx },
  classCount: number,
  remedy: string,
): Split {
  const [count, height, width] = images.sizes;
  if (count === 0 || height !== side || width !== side) {
    throw new DataError(
      `${images.file} contains ${count} images of ${height} x ${width}, expected images of ${side} x ${side}: ${remedy}`,
    );
  }
  if (labels.sizes[0] !== count) {
    throw new DataError(`${labels.file} contains ${labels.sizes[0]} labels for ${count} images: ${remedy}`);
  }
  const wrong = labels.values.findIndex((label) => label >= classCount);
  if (wrong >= 0) {
    throw new DataError(
      `${labels.file}: label ${wrong} is ${labels.values[wrong]}, labels are 0 to ${classCount - 1}: ${remedy}`,
    );
  }
  const bytes = side * side;
  return createSplit({
    name,
    height: side,
    width: side,
    channels: 1,
    labels: Uint32Array.from(labels.values),
    imageName: (i) => `${imagesName}#${i}`,
    contentHash: async () => hashOf([images.values]),
    place: (i, target) => target.set(images.values.subarray(i * bytes, (i + 1) * bytes)),
  });
}
