import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { DataError } from '@alex/tensor';
import { describe, expect, test } from 'vitest';
import { debianFashionMnist, mnistFiles, openFashionMnist, openMnist } from './fashion-mnist.js';
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

/** How the labels of the training images begin. */
const fashion = [9, 0, 0, 3, 0, 2, 7, 2, 5, 5];
const digits = [5, 0, 4, 1, 9, 2, 1, 3, 1, 4];

/** Ten training and two validation images, some files replaced. */
async function smallFiles(changed: Record<string, Buffer> = {}): Promise<string> {
  const folder = await temporaryFolder();
  const contents = {
    'train-images-idx3-ubyte.gz': images(10),
    'train-labels-idx1-ubyte.gz': labels(fashion),
    't10k-images-idx3-ubyte.gz': images(2),
    't10k-labels-idx1-ubyte.gz': labels([8, 2]),
    ...changed,
  };
  for (const [name, content] of Object.entries(contents)) await writeFile(join(folder, name), content);
  return folder;
}

describe('Fashion-MNIST', () => {
  test('reads grey images of 28 x 28 with their labels', async () => {
    const dataset = await openFashionMnist(await smallFiles());
    expect(dataset).toMatchObject({ name: 'Fashion-MNIST', channels: 1, height: 28, width: 28 });
    expect(dataset.classes).toHaveLength(10);
    expect(dataset.classes[9]).toBe('ankle boot');
    expect(dataset.train.length).toBe(10);
    expect([...dataset.validation.labels]).toEqual([8, 2]);
    const batch = await dataset.train.read([4, 1]);
    expect([...batch.labels]).toEqual([0, 0]);
    const all = pixelsOf(10);
    expect([...batch.pixels]).toEqual([...all.slice(4 * 784, 5 * 784), ...all.slice(784, 2 * 784)]);
    expect(dataset.train.imageName(4)).toBe('train-images-idx3-ubyte.gz#4');
  });

  test.each(mnistFiles)('names %s where it is missing', async (name) => {
    const folder = await smallFiles();
    await rm(join(folder, name));
    await expect(openFashionMnist(folder)).rejects.toThrow(DataError);
    await expect(openFashionMnist(folder)).rejects.toThrow(
      `${join(folder, name)} is missing: get the four files again`,
    );
  });

  test('is told from MNIST, whose files have the same names, by its labels', async () => {
    const folder = await smallFiles({ 'train-labels-idx1-ubyte.gz': labels(digits) });
    const mnist = await openMnist(folder);
    expect(mnist).toMatchObject({ name: 'MNIST', channels: 1, height: 28 });
    expect(mnist.classes).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    expect(mnist.remarks).toBeUndefined();
    await expect(openFashionMnist(folder)).rejects.toThrow(DataError);
    await expect(openFashionMnist(folder)).rejects.toThrow("holds MNIST's digits, not Fashion-MNIST");
    expect(await openMnist(await smallFiles())).toMatchObject({ name: 'Fashion-MNIST' });
  });

  test('of a set that is not known has numbers for classes, which is said', async () => {
    const folder = await smallFiles({ 'train-labels-idx1-ubyte.gz': labels([8, 7, 0, 1, 4, 2, 4, 8, 3, 3]) });
    const other = await openMnist(folder);
    expect(other.classes[8]).toBe('8');
    expect(other.remarks?.join()).toMatch(/neither those of Fashion-MNIST nor of MNIST/);
    await expect(openFashionMnist(folder)).rejects.toThrow('holds labels of another set, not Fashion-MNIST');
  });

  test.each<[string, string, Buffer, string]>([
    ['a file that is not packed', 'train-images-idx3-ubyte.gz', gunzipSync(images(5)), 'cannot be unpacked'],
    ['a packed file that breaks off', 't10k-images-idx3-ubyte.gz', images(2).subarray(0, -20), 'cannot be unpacked'],
    ['an empty file', 'train-labels-idx1-ubyte.gz', Buffer.alloc(0), 'train-labels-idx1-ubyte.gz'],
    ['nothing, packed', 'train-labels-idx1-ubyte.gz', gzipSync(''), 'begins with nothing, expected 0x00000801'],
    ['labels for images', 'train-images-idx3-ubyte.gz', labels([1]), 'begins with 0x00000801, expected 0x00000803'],
    ['images for labels', 't10k-labels-idx1-ubyte.gz', images(2), 'begins with 0x00000803, expected 0x00000801'],
    ['a header that breaks off', 'train-images-idx3-ubyte.gz', idx(0x803, [5], []), 'expected 0x00000803'],
    [
      'too few pixels',
      'train-images-idx3-ubyte.gz',
      idx(0x803, [5, 28, 28], [1, 2]),
      'unpacks to 18 bytes, its header promises 3936',
    ],
    [
      'too many labels',
      'train-labels-idx1-ubyte.gz',
      idx(0x801, [1], [1, 2]),
      'unpacks to 10 bytes, its header promises 9',
    ],
    ['fewer labels than images', 'train-labels-idx1-ubyte.gz', labels([1, 2]), 'holds 2 labels for 10 images'],
    ['another size', 'train-images-idx3-ubyte.gz', idx(0x803, [5, 2, 2], new Uint8Array(20)), '5 images of 2 x 2'],
    ['no images', 't10k-images-idx3-ubyte.gz', images(0), 'holds 0 images'],
    ['a label above 9', 't10k-labels-idx1-ubyte.gz', labels([1, 10]), 'label 1 is 10, labels are 0 to 9'],
  ])('refuses %s', async (_, name, content, message) => {
    const folder = await smallFiles({ [name]: content });
    const opening = openFashionMnist(folder);
    await expect(opening).rejects.toThrow(DataError);
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow(join(folder, name));
  });

  test.skipIf(!existsSync(debianFashionMnist))(
    "reads the files of Debian's dataset-fashion-mnist (skipped where it is not installed)",
    async () => {
      const { train, validation } = await openFashionMnist();
      expect([train.length, validation.length]).toEqual([60_000, 10_000]);
      // Both splits have as many images of each class.
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
      // Mean and deviation that everybody normalizes this data set by: 0.2860 and 0.3530 of the range.
      const { mean, standardDeviations } = await colourStatistics(train);
      expect(mean[0]! / 255).toBeCloseTo(0.286, 4);
      expect(standardDeviations[0]! / 255).toBeCloseTo(0.353, 4);
    },
  );
});
