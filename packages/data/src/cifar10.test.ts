import { rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '@alex/tensor';
import { describe, expect, test } from 'vitest';
import { cifar10Files, openCifar10, readCifar10 } from './cifar10.js';
import { temporaryFolder } from './testing.js';

const names = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');
const records = 4;

/** The byte of file, record, channel and pixel: a different one almost everywhere. */
const byteOf = (file: number, record: number, channel: number, pixel: number) =>
  (file * 101 + record * 53 + channel * 31 + pixel * 7) % 256;

/** Six files of four records each, record r of file f labelled f + r. */
async function smallFiles(): Promise<string> {
  const folder = await temporaryFolder();
  for (const [file, name] of cifar10Files.entries()) {
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
  test('reads five files to learn from and one for validation', async () => {
    const dataset = await readCifar10(await smallFiles(), records);
    expect(dataset).toMatchObject({ name: 'CIFAR-10', classes: names, channels: 3, height: 32, width: 32 });
    expect([...dataset.train.labels]).toEqual([0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6, 4, 5, 6, 7]);
    expect([...dataset.validation.labels]).toEqual([5, 6, 7, 8]);
    expect(dataset.train.imageName(6)).toBe('data_batch_2.bin#2');
    expect(dataset.validation.imageName(3)).toBe('test_batch.bin#3');
  });

  test('interleaves the three planes of a record', async () => {
    const { train } = await readCifar10(await smallFiles(), records);
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

  test.each([...cifar10Files, 'batches.meta.txt'])('names %s where it is missing', async (name) => {
    const folder = await smallFiles();
    await rm(join(folder, name));
    const opening = readCifar10(folder, records);
    await expect(opening).rejects.toThrow(DataError);
    await expect(opening).rejects.toThrow(`${join(folder, name)} is missing: get "CIFAR-10 binary version"`);
  });

  test('names a file that breaks off, its size and the right one', async () => {
    const folder = await smallFiles();
    await truncate(join(folder, 'data_batch_3.bin'), 5000);
    const opening = openCifar10(folder);
    await expect(opening).rejects.toThrow(DataError);
    // The first file is of the wrong size too where the official 10,000 records are expected.
    await expect(opening).rejects.toThrow('data_batch_1.bin has 12,292 bytes, expected 30,730,000 bytes: get');
    await expect(readCifar10(folder, records)).rejects.toThrow(
      'data_batch_3.bin has 5,000 bytes, expected 12,292 bytes',
    );
  });

  test('refuses a file that is too long', async () => {
    const folder = await smallFiles();
    await truncate(join(folder, 'test_batch.bin'), records * 3073 + 1);
    await expect(readCifar10(folder, records)).rejects.toThrow('test_batch.bin has 12,293 bytes');
  });

  test('refuses a label above 9', async () => {
    const folder = await smallFiles();
    const content = Buffer.alloc(records * 3073);
    content[2 * 3073] = 10;
    await writeFile(join(folder, 'data_batch_5.bin'), content);
    const opening = readCifar10(folder, records);
    await expect(opening).rejects.toThrow(DataError);
    await expect(opening).rejects.toThrow('data_batch_5.bin: record 2 has label 10, labels are 0 to 9');
  });

  test.each(['', 'cat\ndog\n', names.with(1, 'airplane').join('\n')])('refuses class names %j', async (text) => {
    const folder = await smallFiles();
    await writeFile(join(folder, 'batches.meta.txt'), text);
    await expect(readCifar10(folder, records)).rejects.toThrow('expected 10 different ones');
  });

  test('reads class names with the line ends of Windows', async () => {
    const folder = await smallFiles();
    await writeFile(join(folder, 'batches.meta.txt'), names.join('\r\n'));
    expect((await readCifar10(folder, records)).classes).toEqual(names);
  });

  test('the official size is that of 10,000 records', async () => {
    const folder = await temporaryFolder();
    const content = Buffer.alloc(30_730_000);
    content[9_999 * 3073] = 9;
    for (const name of cifar10Files) await writeFile(join(folder, name), content);
    await writeFile(join(folder, 'batches.meta.txt'), names.join('\n'));
    const { train, validation } = await openCifar10(folder);
    expect(train.length).toBe(50_000);
    expect(validation.length).toBe(10_000);
    expect(train.labels[49_999]).toBe(9);
  });
});
