import { join } from 'node:path';
import { DataError } from '@alex/tensor';
import { checkPath } from './checks.js';
import { headBytes, inWords } from './content-kind.js';
import type { Dataset, Split } from './dataset.js';
import { filesAndLinks, listFolder, readWhole } from './files.js';
import { createSplit, hashOf } from './split.js';
import { textOf } from './text.js';

/**
 * The binary versions as described at https://www.cs.toronto.edu/~kriz/cifar.html: files of records. A record consists
 * of the labels, one byte each, and three planes (red, green, blue) of 32 x 32 bytes.
 */
export interface CifarVersion {
  readonly name: 'CIFAR-10' | 'CIFAR-100';
  readonly classCount: number;
  /** Labels per record; the last one is used. */
  readonly labels: number;
  readonly train: readonly string[];
  readonly validation: readonly string[];
  /** Records per file, for training and for validation. */
  readonly records: readonly [train: number, validation: number];
  readonly namesFile: string;
  /** Files that identify the Python version of the same images. */
  readonly python: readonly string[];
}

const side = 32;
const plane = side * side;

export const cifar10: CifarVersion = {
  name: 'CIFAR-10',
  classCount: 10,
  labels: 1,
  train: [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`),
  validation: ['test_batch.bin'],
  records: [10_000, 10_000],
  namesFile: 'batches.meta.txt',
  python: ['data_batch_1', 'test_batch', 'batches.meta'],
};

export const cifar100: CifarVersion = {
  name: 'CIFAR-100',
  classCount: 100,
  labels: 2,
  train: ['train.bin'],
  validation: ['test.bin'],
  records: [50_000, 10_000],
  namesFile: 'fine_label_names.txt',
  python: ['train', 'test', 'meta'],
};

/** All files of a version. */
export const cifarFiles = ({ train, validation, namesFile }: CifarVersion): string[] => [
  ...train,
  ...validation,
  namesFile,
];

const remedyFor = ({ name }: CifarVersion) =>
  `get "${name} binary version" from https://www.cs.toronto.edu/~kriz/cifar.html again and unpack all of it`;

/** The version that the files of a folder belong to, including the Python version, or undefined. */
export function cifarVersionOf(files: readonly string[]): CifarVersion | undefined {
  const any = (names: readonly string[]) => names.some((name) => files.includes(name));
  if (any([...cifar10.train, ...cifar10.validation]) || all(cifar10.python, files)) return cifar10;
  const records = [...cifar100.train, ...cifar100.validation];
  const fine = (any([cifar100.namesFile]) && any(records)) || all(records, files);
  return fine || all(cifar100.python, files) ? cifar100 : undefined;
}

const all = (names: readonly string[], files: readonly string[]) => names.every((name) => files.includes(name));

/**
 * CIFAR-10 from the official binary files: `data_batch_1.bin` to `data_batch_5.bin` (50,000 training images),
 * `test_batch.bin` (10,000 for validation) and `batches.meta.txt` (the class names). RGB images of 32 x 32, all in
 * memory (184 MB).
 *
 * @throws DataError if a file is missing, has another size than 30,730,000 bytes or contains a label above 9, or if the
 * folder contains CIFAR-100 or a Python version.
 */
export function openCifar10(directory: string): Promise<Dataset> {
  return readCifar(directory, cifar10);
}

/**
 * CIFAR-100 from the official binary files: `train.bin` (50,000 training images), `test.bin` (10,000 for validation)
 * and `fine_label_names.txt`. Its 100 classes are the fine labels; the 20 coarse ones are ignored. RGB images of 32 x
 * 32, all in memory (184 MB).
 *
 * @throws DataError if a file is missing, has another size than 153,700,000 or 30,740,000 bytes or contains a label
 * above 99, or if the folder contains CIFAR-10 or a Python version.
 */
export function openCifar100(directory: string): Promise<Dataset> {
  return readCifar(directory, cifar100);
}

/** Reads a version, which may have any number of records. */
export async function readCifar(directory: string, version: CifarVersion): Promise<Dataset> {
  checkPath(version.name, directory);
  const { name, classCount, namesFile, train, validation, records } = version;
  const remedy = remedyFor(version);
  const files = filesAndLinks(await listFolder(directory));
  const found = cifarVersionOf(files);
  if (found && found.name !== name) throw new DataError(`${directory} contains ${found.name}, not ${name}: ${remedy}`);
  if (all(version.python, files) && !train.some((file) => files.includes(file))) {
    throw new DataError(`${directory} contains the Python version of ${name}, which is pickled: ${remedy}`);
  }
  const names = textOf(await readWhole(join(directory, namesFile), remedy));
  const classes = names
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (new Set(classes).size !== classCount || classes.length !== classCount) {
    throw new DataError(
      `${join(directory, namesFile)} names ${classes.length} classes, expected ${classCount} different ones: ${remedy}`,
    );
  }
  return {
    name,
    classes,
    channels: 3,
    height: side,
    width: side,
    train: await readSplit(version, 'training', directory, train, records[0]),
    validation: await readSplit(version, 'validation', directory, validation, records[1]),
  };
}

async function readSplit(
  version: CifarVersion,
  which: string,
  directory: string,
  files: readonly string[],
  recordsPerFile: number,
): Promise<Split> {
  const { name, classCount, labels: labelBytes } = version;
  const remedy = remedyFor(version);
  const recordBytes = labelBytes + 3 * plane;
  const contents: Buffer[] = [];
  for (const file of files) {
    const content = await readRecords(join(directory, file), recordsPerFile * recordBytes, remedy);
    const same = contents.findIndex((other) => other.equals(content));
    if (same >= 0) throw new DataError(`${join(directory, file)} is the same as ${files[same]}: ${remedy}`);
    contents.push(content);
  }
  const labels = new Uint32Array(files.length * recordsPerFile);
  contents.forEach((content, file) => {
    for (let record = 0; record < recordsPerFile; record++) {
      const label = content[record * recordBytes + labelBytes - 1]!;
      if (label >= classCount) {
        throw new DataError(
          `${join(directory, files[file]!)}: record ${record} has label ${label}, labels are 0 to ${classCount - 1}: ${remedy}`,
        );
      }
      labels[file * recordsPerFile + record] = label;
    }
  });
  return createSplit({
    name: `${name}, ${which}`,
    height: side,
    width: side,
    channels: 3,
    labels,
    imageName: (i) => `${files[Math.floor(i / recordsPerFile)]}#${i % recordsPerFile}`,
    contentHash: async () => hashOf(contents),
    place(i, target) {
      const content = contents[Math.floor(i / recordsPerFile)]!;
      const start = (i % recordsPerFile) * recordBytes + labelBytes;
      for (let pixel = 0; pixel < plane; pixel++) {
        for (let channel = 0; channel < 3; channel++) {
          target[3 * pixel + channel] = content[start + channel * plane + pixel]!;
        }
      }
    },
  });
}

async function readRecords(file: string, expected: number, remedy: string): Promise<Buffer> {
  const content = await readWhole(file, remedy);
  if (content.length !== expected) {
    const strange = inWords(content.subarray(0, headBytes), '');
    if (strange !== '' && content.length < expected)
      throw new DataError(`${file} contains no images: ${strange}: ${remedy}`);
    throw new DataError(`${file} has ${bytes(content.length)}, expected ${bytes(expected)}: ${remedy}`);
  }
  return content;
}

function bytes(count: number): string {
  return `${count.toLocaleString('en-US')} bytes`;
}
