import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DataError } from '@alex/tensor';
import { expect, test } from 'vitest';
import { Remarks } from './remarks.js';
import { findSplitFolders } from './split-folders.js';
import { temporaryFolder } from './testing.js';

/** The split folders found in a folder with these files, whose contents do not matter. */
async function found(...files: string[]) {
  const folder = await temporaryFolder();
  for (const file of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), '');
  }
  const remarks = new Remarks();
  return { ...(await findSplitFolders(folder, remarks)), remarks: remarks.lines() };
}

const train = ['train/a/1.png', 'train/b/1.png'];

test.each(['val', 'validation', 'valid', 'Val'])(
  '%s/ next to train/ is used for validation, without a message',
  async (name) => {
    expect(await found(...train, `${name}/a/1.png`)).toEqual({ train: 'train/', validation: `${name}/`, remarks: [] });
  },
);

test.each(['test', 'dev', 'testing'])('%s/ is used if there is no other, with a message', async (name) => {
  expect(await found(...train, `${name}/a/1.png`)).toEqual({
    train: 'train/',
    validation: `${name}/`,
    remarks: [`There is no val/: the images of ${name}/ are used for validation.`],
  });
});

test('test/ without labels is not used', async () => {
  expect(await found(...train, 'test/1.png', 'test/2.png')).toEqual({
    train: 'train/',
    remarks: ['Folders next to train/ are skipped: test. One image in ten of each class is held out for validation.'],
  });
});

test('val/ is preferred to test/, and skipped folders are reported', async () => {
  expect(await found(...train, 'test/a/1.png', 'valid/a/1.png', 'x/1.png', 'y/1.png', '__MACOSX/1.png')).toEqual({
    train: 'train/',
    validation: 'valid/',
    remarks: ['Folders next to train/ and valid/ are skipped: test, x, y.'],
  });
});

test.each([['train'], ['val'], ['test'], ['train', 'test']])(
  'classes called %s next to others are classes',
  async (...names) => {
    const files = ['plane', 'car', ...names].flatMap((name) => [`${name}/1.png`, `${name}/2.JPG`]);
    const remarks = [`Read as classes, like the folders next to them: ${names.sort().join(', ')}.`];
    expect(await found(...files)).toEqual({ train: '', remarks });
  },
);

test('within train/ and val/ a class may be called train', async () => {
  expect(await found('train/train/1.png', 'train/car/1.png', 'val/train/1.png')).toEqual({
    train: 'train/',
    validation: 'val/',
    remarks: [],
  });
});

test('train/ that contains class folders and a stray image is not a class', async () => {
  expect(await found(...train, 'train/overview.png', 'samples/1.png')).toMatchObject({ train: 'train/' });
});

test('train/ and val/ that contain only images are not classes', async () => {
  expect(await found('train/1.png', 'val/1.png')).toMatchObject({ train: 'train/', validation: 'val/' });
});

test.each(['val', 'test'])('%s/ without train/ is refused', async (name) => {
  const finding = found('a/1.png', 'b/1.png', `${name}/a/1.png`, `${name}/b/1.png`);
  await expect(finding).rejects.toThrow(DataError);
  await expect(finding).rejects.toThrow(`has ${name}/ but no train/`);
});
