import { join } from 'node:path';
import { DataError } from '@alex/tensor';
import type { Dataset, Split } from './dataset.js';
import { readWhole, textOf } from './files.js';
import { createSplit } from './split.js';

/**
 * The binary version as https://www.cs.toronto.edu/~kriz/cifar.html describes it: files of 10,000 records, a record being
 * one byte of label and three planes (red, green, blue) of 32 x 32 bytes.
 */
const side = 32;
const plane = side * side;
const recordBytes = 1 + 3 * plane;
const classCount = 10;
const trainingFiles = [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`);
const validationFiles = ['test_batch.bin'];
/** The file of the class names. */
export const cifar10NamesFile = 'batches.meta.txt';

/** The files by which a folder is known to hold CIFAR-10. */
export const cifar10Files: readonly string[] = [...trainingFiles, ...validationFiles];

const remedy =
  'get "CIFAR-10 binary version" from https://www.cs.toronto.edu/~kriz/cifar.html again and unpack all of it';

/**
 * CIFAR-10 from the official binary files: `data_batch_1.bin` to `data_batch_5.bin` (50,000 training images),
 * `test_batch.bin` (10,000 for validation) and `batches.meta.txt` (the class names). RGB images of 32 x 32, all in
 * memory (184 MB).
 *
 * @throws DataError where a file is missing, has another size than 30,730,000 bytes or holds a label above 9.
 */
export function openCifar10(directory: string): Promise<Dataset> {
  return readCifar10(directory, 10_000);
}

/** As `openCifar10`, for files of any number of records. */
export async function readCifar10(directory: string, recordsPerFile: number): Promise<Dataset> {
  const names = textOf(await readWhole(join(directory, cifar10NamesFile), remedy));
  const classes = names
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (new Set(classes).size !== classCount || classes.length !== classCount) {
    throw new DataError(
      `${join(directory, cifar10NamesFile)} names ${classes.length} classes, expected ${classCount} different ones: ${remedy}`,
    );
  }
  return {
    name: 'CIFAR-10',
    classes,
    channels: 3,
    height: side,
    width: side,
    train: await readSplit('CIFAR-10, training', directory, trainingFiles, recordsPerFile),
    validation: await readSplit('CIFAR-10, validation', directory, validationFiles, recordsPerFile),
  };
}

async function readSplit(name: string, directory: string, files: string[], recordsPerFile: number): Promise<Split> {
  const contents: Buffer[] = [];
  for (const file of files) contents.push(await readRecords(join(directory, file), recordsPerFile));
  const labels = new Uint32Array(files.length * recordsPerFile);
  contents.forEach((content, file) => {
    for (let record = 0; record < recordsPerFile; record++) {
      const label = content[record * recordBytes]!;
      if (label >= classCount) {
        throw new DataError(
          `${join(directory, files[file]!)}: record ${record} has label ${label}, labels are 0 to ${classCount - 1}: ${remedy}`,
        );
      }
      labels[file * recordsPerFile + record] = label;
    }
  });
  return createSplit({
    name,
    height: side,
    width: side,
    channels: 3,
    labels,
    imageName: (i) => `${files[Math.floor(i / recordsPerFile)]}#${i % recordsPerFile}`,
    place(i, target) {
      const content = contents[Math.floor(i / recordsPerFile)]!;
      const start = (i % recordsPerFile) * recordBytes + 1;
      for (let pixel = 0; pixel < plane; pixel++) {
        for (let channel = 0; channel < 3; channel++) {
          target[3 * pixel + channel] = content[start + channel * plane + pixel]!;
        }
      }
    },
  });
}

async function readRecords(file: string, records: number): Promise<Buffer> {
  const content = await readWhole(file, remedy);
  const expected = records * recordBytes;
  if (content.length !== expected) {
    throw new DataError(`${file} has ${bytes(content.length)}, expected ${bytes(expected)}: ${remedy}`);
  }
  return content;
}

function bytes(count: number): string {
  return `${count.toLocaleString('en-US')} bytes`;
}
