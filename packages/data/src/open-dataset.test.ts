import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, DataError } from '@alex/tensor';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { openDataset } from './open-dataset.js';
import { temporaryFolder } from './testing.js';

async function imageFolder(classes: string[]): Promise<string> {
  const folder = await temporaryFolder();
  const png = await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  for (const name of classes) {
    await mkdir(join(folder, name));
    for (const i of [1, 2]) await writeFile(join(folder, name, `${i}.png`), png);
  }
  return folder;
}

test('the word emoji, with a number of classes or not', async () => {
  expect((await openDataset('emoji')).classes).toHaveLength(24);
  expect((await openDataset('emoji:30', { size: 8 })).classes).toHaveLength(30);
  expect(await openDataset('emoji', { classes: 3, size: 8 })).toMatchObject({ name: 'emoji', height: 8, width: 8 });
  expect((await openDataset('emoji:3', { classes: 3 })).classes).toHaveLength(3);
});

test.each(['emoji:', 'emoji:many', 'emoji:-1', 'emoji:1.5', 'emoji:0', 'emoji:1', 'emoji:100000'])(
  'refuses %s',
  async (text) => {
    await expect(openDataset(text)).rejects.toThrow(ConfigError);
  },
);

test('refuses two numbers of classes that differ', async () => {
  await expect(openDataset('emoji:3', { classes: 4 })).rejects.toThrow(
    'asks for 3 classes, but the option classes for 4',
  );
});

test('a folder of class folders', async () => {
  const dataset = await openDataset(await imageFolder(['cat', 'dog']), { size: 4 });
  expect(dataset).toMatchObject({ classes: ['cat', 'dog'], height: 4 });
});

test('files of CIFAR-10 and in the format of MNIST are recognized by their names', async () => {
  const cifar = await temporaryFolder();
  await writeFile(join(cifar, 'test_batch.bin'), '');
  await expect(openDataset(cifar)).rejects.toThrow('CIFAR-10');
  const fashion = await temporaryFolder();
  await writeFile(join(fashion, 't10k-labels-idx1-ubyte.gz'), '');
  await expect(openDataset(fashion)).rejects.toThrow('train-images-idx3-ubyte.gz is missing');
});

test('says what was found and what is accepted', async () => {
  const empty = await temporaryFolder();
  await expect(openDataset(empty)).rejects.toThrow(`${empty} contains nothing, but no supported data: give \`emoji\``);
  for (const name of ['a.txt', 'b.txt', 'c.txt', 'd.txt']) await writeFile(join(empty, name), '');
  await expect(openDataset(empty)).rejects.toThrow('contains a.txt, b.txt, c.txt, …, but no supported data');
  const missing = openDataset(join(empty, 'nowhere'));
  await expect(missing).rejects.toThrow(DataError);
  await expect(missing).rejects.toThrow(/there is no folder .*nowhere: check the path; give `emoji`/);
  await expect(openDataset(join(empty, 'a.txt'))).rejects.toThrow('a.txt is a file: give `emoji`');
  await expect(openDataset('')).rejects.toThrow(DataError);
});

test('archives must be prepared first', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'train-000000.tar'), '');
  await expect(openDataset(folder)).rejects.toThrow('contains archives (train-000000.tar): prepare them first');
});

test('refuses a folder with one class, and options that the data determine', async () => {
  await expect(openDataset(await imageFolder(['cat']))).rejects.toThrow('at least two classes');
  const folder = await imageFolder(['cat', 'dog']);
  await expect(openDataset(folder, { classes: 3 })).rejects.toThrow('classes is 3, but');
  await expect(openDataset(folder, { classes: 2 })).resolves.toMatchObject({ name: folder });
});
