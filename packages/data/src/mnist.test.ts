import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { DataError } from '@alex/tensor';
import { describe, expect, test } from 'vitest';
import { debianFashionMnist, openFashionMnist, openMnist } from './mnist.js';
import { openDataset } from './open-dataset.js';
import { colourStatistics } from './statistics.js';
import { temporaryFolder } from './testing.js';

function idx(magic: number, sizes: number[], values: ArrayLike<number>): Buffer {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.writeUInt32BE(magic, 0);
  sizes.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  return gzipSync(Buffer.concat([header, Uint8Array.from(values)]));
}

const pixelsOf = (count: number) => Uint8Array.from({ length: count * 784 }, (_, i) => (i * 7) % 251);
const images = (count: number) => idx(0x803, [count, 28, 28], pixelsOf(count));
const labels = (values: number[]) => idx(0x801, [values.length], values);

const fashion = { train: [9, 0, 0, 3, 0, 2, 7, 2, 5, 5], validation: [9, 2, 1, 1, 6, 1, 4, 6, 5, 7] };
const digits = { train: [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], validation: [7, 2, 1, 0, 4, 1, 4, 9, 5, 9] };
const fileNames = ['train-images-idx3', 'train-labels-idx1', 't10k-images-idx3', 't10k-labels-idx1'].map(
  (name) => `${name}-ubyte.gz`,
);

/** The first images for training and for validation have these labels. */
const filesWith = ({ train, validation }: typeof fashion) => ({
  'train-images-idx3-ubyte.gz': images(train.length),
  'train-labels-idx1-ubyte.gz': labels(train),
  't10k-images-idx3-ubyte.gz': images(validation.length),
  't10k-labels-idx1-ubyte.gz': labels(validation),
});

/** Ten training and ten validation images with Fashion-MNIST's first labels, some files replaced. */
async function smallFiles(changed: Record<string, Buffer> = {}): Promise<string> {
  const folder = await temporaryFolder();
  const contents = { ...filesWith(fashion), ...changed };
  for (const [name, content] of Object.entries(contents)) await writeFile(join(folder, name), content);
  return folder;
}

describe('Fashion-MNIST', () => {
  test('reads grey images of 28 x 28 with their labels', async () => {
    const dataset = await openFashionMnist(await smallFiles());
    expect(dataset).toMatchObject({ name: 'Fashion-MNIST', channels: 1, height: 28, width: 28 });
    expect(dataset.classes).toHaveLength(10);
    expect(dataset.classes[9]).toBe('ankle boot');
    expect(dataset).not.toHaveProperty('remarks');
    expect(dataset.train.length).toBe(10);
    expect([...dataset.validation.labels]).toEqual(fashion.validation);
    const batch = await dataset.train.read([4, 1]);
    expect([...batch.labels]).toEqual([0, 0]);
    const all = pixelsOf(10);
    expect([...batch.pixels]).toEqual([...all.slice(4 * 784, 5 * 784), ...all.slice(784, 2 * 784)]);
    expect(dataset.train.imageName(4)).toBe('train-images-idx3-ubyte#4');
  });

  test.each(fileNames)('names %s if it is missing', async (name) => {
    const folder = await smallFiles();
    await rm(join(folder, name));
    await expect(openFashionMnist(folder)).rejects.toThrow(DataError);
    await expect(openFashionMnist(folder)).rejects.toThrow(
      `${join(folder, name)} is missing: get the four files again`,
    );
  });

  test.each<[string, string, Buffer, string]>([
    ['a packed file that is truncated', 't10k-images-idx3-ubyte.gz', images(2).subarray(0, -20), 'cannot be unpacked'],
    ['an empty file', 'train-labels-idx1-ubyte.gz', Buffer.alloc(0), 'is not an IDX file: the file is empty'],
    ['nothing, packed', 'train-labels-idx1-ubyte.gz', gzipSync(''), 'is not an IDX file: the file is empty'],
    ['labels for images', 'train-images-idx3-ubyte.gz', labels([1]), 'begins with 0x00000801, expected 0x00000803'],
    ['images for labels', 't10k-labels-idx1-ubyte.gz', images(2), 'begins with 0x00000803, expected 0x00000801'],
    ['a header that is truncated', 'train-images-idx3-ubyte.gz', idx(0x803, [5], []), 'expected 0x00000803'],
    [
      'too few pixels',
      'train-images-idx3-ubyte.gz',
      idx(0x803, [5, 28, 28], [1, 2]),
      'contains 18 bytes, but its header says 3936',
    ],
    [
      'too many labels',
      'train-labels-idx1-ubyte.gz',
      idx(0x801, [1], [1, 2]),
      'contains 10 bytes, but its header says 9',
    ],
    ['fewer labels than images', 'train-labels-idx1-ubyte.gz', labels([1, 2]), 'contains 2 labels for 10 images'],
    ['another size', 'train-images-idx3-ubyte.gz', idx(0x803, [5, 2, 2], new Uint8Array(20)), '5 images of 2 x 2'],
    ['no images', 't10k-images-idx3-ubyte.gz', images(0), 'contains 0 images'],
    [
      'a label above 9',
      't10k-labels-idx1-ubyte.gz',
      labels([...fashion.validation, 10]),
      'contains 11 labels for 10 images',
    ],
  ])('refuses %s', async (_, name, content, message) => {
    const folder = await smallFiles({ [name]: content });
    const opening = openFashionMnist(folder);
    await expect(opening).rejects.toThrow(DataError);
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow(join(folder, name));
  });

  test('reports a label above 9 as damage', async () => {
    const damaged = { train: [...fashion.train, 10], validation: fashion.validation };
    await expect(openFashionMnist(await smallFiles(filesWith(damaged)))).rejects.toThrow(
      'label 10 is 10, labels are 0 to 9',
    );
  });

  test('is not confused with another data set in its format', async () => {
    const opening = openFashionMnist(await smallFiles(filesWith(digits)));
    await expect(opening).rejects.toThrow(DataError);
    await expect(opening).rejects.toThrow('contains MNIST, not Fashion-MNIST: prepare it as mnist');
    await expect(
      openFashionMnist(await smallFiles({ 't10k-labels-idx1-ubyte.gz': labels(digits.validation) })),
    ).rejects.toThrow('contains the training files of Fashion-MNIST and the validation files of MNIST');
    await expect(
      openFashionMnist(await smallFiles({ 't10k-labels-idx1-ubyte.gz': labels(fashion.validation.toReversed()) })),
    ).rejects.toThrow('contains images in the format of MNIST, not Fashion-MNIST');
  });

  test.each([
    ['a page', '<!DOCTYPE html>', 'is not an IDX file: it is a web page'],
    ['a pointer', 'version https://git-lfs.github.com/spec/v1\n', 'is not an IDX file: it is a Git LFS pointer'],
    ['nothing', '', 'is not an IDX file: the file is empty'],
  ])('is not %s, which is reported', async (_, content, message) => {
    const folder = await smallFiles({ 'train-images-idx3-ubyte.gz': Buffer.from(content) });
    await expect(openFashionMnist(folder)).rejects.toThrow(message);
  });

  test.skipIf(!existsSync(debianFashionMnist))(
    "reads the files of Debian's dataset-fashion-mnist (skipped where it is not installed)",
    async () => {
      const { train, validation } = await openFashionMnist();
      expect([train.length, validation.length]).toEqual([60_000, 10_000]);
      // Both splits have the same number of images of each class.
      for (const [split, each] of [
        [train, 6000],
        [validation, 1000],
      ] as const) {
        const counts = new Array<number>(10).fill(0);
        for (const label of split.labels) counts[label]!++;
        expect(counts).toEqual(new Array<number>(10).fill(each));
      }
      const raw = gunzipSync(await readFile(join(debianFashionMnist, 'train-images-idx3-ubyte.gz')));
      const { pixels } = await train.read([59_999]);
      expect(Buffer.from(pixels).equals(raw.subarray(-784))).toBe(true);
      // The usual mean and standard deviation of this data set: 0.2860 and 0.3530 of the range.
      const { mean, standardDeviations } = await colourStatistics(train);
      expect(mean[0]! / 255).toBeCloseTo(0.286, 4);
      expect(standardDeviations[0]! / 255).toBeCloseTo(0.353, 4);
    },
  );
});

describe('MNIST', () => {
  test.each([openMnist, openDataset])('is recognized by its labels, and its classes are digits (%o)', async (open) => {
    const dataset = await open(await smallFiles(filesWith(digits)));
    expect(dataset).toMatchObject({ name: 'MNIST', classes: [...'0123456789'] });
    expect([...dataset.train.labels]).toEqual(digits.train);
    expect(dataset).not.toHaveProperty('remarks');
  });

  test('its format may contain Fashion-MNIST, or an unknown data set, whose classes are numbers', async () => {
    expect((await openMnist(await smallFiles())).classes[0]).toBe('T-shirt/top');
    const letters = { train: [25, 3, 3], validation: [1, 26] };
    expect(await openMnist(await smallFiles(filesWith(letters)))).toMatchObject({
      name: 'images in the format of MNIST',
      classes: Array.from({ length: 27 }, (_, label) => `${label}`),
      remarks: ["The labels are neither MNIST's nor Fashion-MNIST's, so the classes are named by their numbers."],
    });
  });

  test('its files may be unpacked, or have a dot for a dash in their names', async () => {
    const folder = await temporaryFolder();
    for (const [name, content] of Object.entries(filesWith(digits))) {
      const ofImages = name.includes('images');
      const other = ofImages ? name.replace('-idx', '.idx').replace('.gz', '') : name;
      await writeFile(join(folder, other), ofImages ? gunzipSync(content) : content);
    }
    expect(await openDataset(folder)).toMatchObject({ name: 'MNIST' });
  });
});
