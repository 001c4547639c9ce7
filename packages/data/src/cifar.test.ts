import { cp, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '@alex/tensor';
import { describe, expect, test } from 'vitest';
import { cifar10, cifar100, openCifar10, openCifar100, readCifar } from './cifar.js';
import { openDataset } from './open-dataset.js';
import { temporaryFolder } from './testing.js';

const names = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');
const records = 4;
const small = { ...cifar10, records: [records, records] } as const;
const imageFiles = [...cifar10.train, ...cifar10.validation];

/** The byte of a file, record, channel and pixel: different almost everywhere. */
const byteOf = (file: number, record: number, channel: number, pixel: number) =>
  (file * 101 + record * 53 + channel * 31 + pixel * 7) % 256;

/** Six files of four records each; record r of file f is labelled f + r. */
async function smallFiles(): Promise<string> {
  const folder = await temporaryFolder();
  for (const [file, name] of imageFiles.entries()) {
    const content = Buffer.alloc(records * 3073);
    for (let record = 0; record < records; record++) {
      content[record * 3073] = file + record;
      for (let channel = 0; channel < 3; channel++) {
        for (let pixel = 0; pixel < 1024; pixel++) {
          content[record * 3073 + 1 + channel * 1024 + pixel] = byteOf(file, record, channel, pixel);
        }
      }
    }
    await writeFile(join(folder, name), content);
  }
  await writeFile(join(folder, 'batches.meta.txt'), names.join('\n') + '\n\n');
  return folder;
}

describe('CIFAR-10', () => {
  test('reads five files for training and one for validation', async () => {
    const dataset = await readCifar(await smallFiles(), small);
    expect(dataset).toMatchObject({ name: 'CIFAR-10', classes: names, channels: 3, height: 32, width: 32 });
    expect([...dataset.train.labels]).toEqual([0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6, 4, 5, 6, 7]);
    expect([...dataset.validation.labels]).toEqual([5, 6, 7, 8]);
    expect(dataset.train.imageName(6)).toBe('data_batch_2.bin#2');
    expect(dataset.validation.imageName(3)).toBe('test_batch.bin#3');
  });

  test('interleaves the three planes of a record', async () => {
    const { train } = await readCifar(await smallFiles(), small);
    const { pixels, labels } = await train.read([19, 6]);
    expect([...labels]).toEqual([7, 3]);
    const wanted = [
      [4, 3],
      [1, 2],
    ].flatMap(([file, record]) =>
      Array.from({ length: 3072 }, (_, i) => byteOf(file!, record!, i % 3, Math.floor(i / 3))),
    );
    expect([...pixels]).toEqual(wanted);
  });

  test.each([...imageFiles, 'batches.meta.txt'])('names %s if it is missing', async (name) => {
    const folder = await smallFiles();
    await rm(join(folder, name));
    const opening = readCifar(folder, small);
    await expect(opening).rejects.toThrow(DataError);
    await expect(opening).rejects.toThrow(`${join(folder, name)} is missing: get "CIFAR-10 binary version"`);
  });

  test('names a truncated file, its size and the right size', async () => {
    const folder = await smallFiles();
    await truncate(join(folder, 'data_batch_3.bin'), 5000);
    const opening = openCifar10(folder);
    await expect(opening).rejects.toThrow(DataError);
    // The first file also has the wrong size when the official 10,000 records are expected.
    await expect(opening).rejects.toThrow('data_batch_1.bin has 12,292 bytes, expected 30,730,000 bytes: get');
    await expect(readCifar(folder, small)).rejects.toThrow('data_batch_3.bin has 5,000 bytes, expected 12,292 bytes');
  });

  test('refuses a file that is too long', async () => {
    const folder = await smallFiles();
    await truncate(join(folder, 'test_batch.bin'), records * 3073 + 1);
    await expect(readCifar(folder, small)).rejects.toThrow('test_batch.bin has 12,293 bytes');
  });

  test('refuses a label above 9', async () => {
    const folder = await smallFiles();
    const content = Buffer.alloc(records * 3073);
    content[2 * 3073] = 10;
    await writeFile(join(folder, 'data_batch_5.bin'), content);
    const opening = readCifar(folder, small);
    await expect(opening).rejects.toThrow(DataError);
    await expect(opening).rejects.toThrow('data_batch_5.bin: record 2 has label 10, labels are 0 to 9');
  });

  test.each(['', 'cat\ndog\n', names.with(1, 'airplane').join('\n')])('refuses class names %j', async (text) => {
    const folder = await smallFiles();
    await writeFile(join(folder, 'batches.meta.txt'), text);
    await expect(readCifar(folder, small)).rejects.toThrow('expected 10 different ones');
  });

  test('refuses a duplicate file, and one that is something else', async () => {
    const folder = await smallFiles();
    await cp(join(folder, 'data_batch_2.bin'), join(folder, 'data_batch_4.bin'));
    await expect(readCifar(folder, small)).rejects.toThrow(/data_batch_4\.bin is the same as data_batch_2\.bin/);
    await writeFile(join(folder, 'data_batch_4.bin'), '<!DOCTYPE html>\n');
    await expect(readCifar(folder, small)).rejects.toThrow('data_batch_4.bin contains no images: it is a web page');
  });

  test('reads class names with the line ends of Windows', async () => {
    const folder = await smallFiles();
    await writeFile(join(folder, 'batches.meta.txt'), names.join('\r\n'));
    expect((await readCifar(folder, small)).classes).toEqual(names);
  });

  test('the official size is that of 10,000 records', async () => {
    const folder = await temporaryFolder();
    const content = Buffer.alloc(30_730_000);
    content[9_999 * 3073] = 9;
    for (const [file, name] of imageFiles.entries()) {
      content[1] = file + 1;
      await writeFile(join(folder, name), content);
    }
    await writeFile(join(folder, 'batches.meta.txt'), names.join('\n'));
    const { train, validation } = await openCifar10(folder);
    expect(train.length).toBe(50_000);
    expect(validation.length).toBe(10_000);
    expect(train.labels[49_999]).toBe(9);
  });
});

describe('CIFAR-100', () => {
  const fine = Array.from({ length: 100 }, (_, i) => `fine ${i}`);
  const few = { ...cifar100, records: [3, 2] } as const;
  const recordsOf = (...labels: [coarse: number, fine: number][]) =>
    Buffer.concat(labels.map(([coarse, fine], i) => Buffer.concat([Buffer.of(coarse, fine), Buffer.alloc(3072, i)])));
  async function filesOf(changes: Record<string, string | Buffer> = {}): Promise<string> {
    const folder = await temporaryFolder();
    const files = {
      'train.bin': recordsOf([1, 99], [19, 0], [7, 50]),
      'test.bin': recordsOf([3, 4], [5, 6]),
      'fine_label_names.txt': `${fine.join('\n')}\n`,
      'coarse_label_names.txt': 'fish\n',
      ...changes,
    };
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    return folder;
  }

  test('uses the fine labels and their names', async () => {
    const dataset = await readCifar(await filesOf(), few);
    expect(dataset).toMatchObject({ name: 'CIFAR-100', classes: fine, height: 32, channels: 3 });
    expect([...dataset.train.labels]).toEqual([99, 0, 50]);
    expect([...dataset.validation.labels]).toEqual([4, 6]);
    expect([...(await dataset.train.read([2])).pixels]).toEqual(new Array(3072).fill(2));
  });

  test('is distinguished from CIFAR-10', async () => {
    const folder = await filesOf();
    await expect(openCifar10(folder)).rejects.toThrow(
      'contains CIFAR-100, not CIFAR-10: get "CIFAR-10 binary version"',
    );
    await expect(openCifar100(await smallFiles())).rejects.toThrow('contains CIFAR-10, not CIFAR-100');
    await expect(openDataset(folder)).rejects.toThrow('train.bin has 9,222 bytes, expected 153,700,000 bytes');
  });

  test('refuses a label above 99', async () => {
    const folder = await filesOf({ 'test.bin': recordsOf([3, 4], [5, 100]) });
    await expect(readCifar(folder, few)).rejects.toThrow('test.bin: record 1 has label 100, labels are 0 to 99');
  });
});

test.each([cifar10, cifar100])('the Python version of $name is refused, with the right download', async (version) => {
  const folder = await temporaryFolder();
  for (const name of [...version.python, 'data_batch_2']) await writeFile(join(folder, name), Buffer.of(0x80, 2));
  const opening = openDataset(folder);
  await expect(opening).rejects.toThrow(DataError);
  await expect(opening).rejects.toThrow(
    `contains the Python version of ${version.name}, which is pickled: get "${version.name} binary version"`,
  );
});
