import { readFileSync } from 'node:fs';
import { rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { DataError } from '@alex/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import { filesAndLinks, listFolder } from '../files.js';
import { temporaryFolder } from '../testing.js';
import { findImagenetArchives, imagenetArchives } from './imagenet-archives.js';
import { fingerprintOf, type SourceImage } from './source.js';
import { jpeg, matFile, smallImagenet, synsets, tarOf, writeFiles } from './testing.js';

let official: Record<string, Buffer>;
beforeAll(async () => {
  official = await smallImagenet();
});

/** A folder with ImageNet's files, some of them changed or missing. */
async function folderOf(changes: Record<string, Buffer | string | undefined> = {}): Promise<string> {
  const folder = await temporaryFolder();
  const files = Object.entries({ ...official, ...changes }).filter(([, content]) => content !== undefined);
  await writeFiles(folder, Object.fromEntries(files) as Record<string, Buffer | string>);
  return folder;
}
const packed = 'ILSVRC2012_devkit_t12.tar.gz';
const groundTruth = 'ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt';
const meta = 'ILSVRC2012_devkit_t12/data/meta.mat';

const contentOf = ({ file, offset, length }: SourceImage) => readFileSync(file).subarray(offset, offset + length);

async function openArchives(folder: string) {
  return imagenetArchives(folder, (await findImagenetArchives(folder, filesAndLinks(await listFolder(folder))))!);
}

async function refused(folder: string, ...messages: string[]) {
  const opening = openArchives(folder);
  await expect(opening).rejects.toThrow(DataError);
  for (const message of messages) await expect(opening).rejects.toThrow(message);
}

describe("ImageNet's archives", () => {
  test('give classes in the order of their ids, and images by their positions', async () => {
    const source = await openArchives(await folderOf());
    expect(source).toMatchObject({ kind: 'imagenet', name: 'ImageNet (ILSVRC 2012)', bytes: 'file', channels: 3 });
    expect(source.classes).toEqual([
      { id: 'n00000010', name: 'tench' },
      { id: 'n00000020', name: 'crane (n00000020)' },
      { id: 'n00000030', name: 'crane (n00000030)' },
    ]);
    expect(source.numbers).toEqual([2, 3, 1]);
    expect(source.train.map(({ label }) => label)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    expect(source.train[5]!.name).toBe('n00000020/n00000020_1.JPEG');
    expect(contentOf(source.train[5]!).equals(await jpeg(11))).toBe(true);
    // The kit's numbers 1, 2 and 3 are the last, the first and the second class.
    expect(source.validation.map(({ label }) => label)).toEqual([2, 0, 1, 1, 0, 2]);
    expect(source.validation[3]!.name).toBe('ILSVRC2012_val_00000004.JPEG');
    expect(contentOf(source.validation[3]!).equals(await jpeg(104))).toBe(true);
  });

  test('packed in another order give the same data set', async () => {
    const reversed = async (files: Record<string, Buffer>) =>
      tarOf(Object.fromEntries(Object.entries(files).reverse()));
    const classes: Record<string, Buffer> = {};
    for (const [c, wnid] of ['n00000010', 'n00000020', 'n00000030'].entries()) {
      const images: Record<string, Buffer> = {};
      for (let i = 0; i < 4; i++) images[`${wnid}_${i}.JPEG`] = await jpeg(10 * c + i);
      classes[`${wnid}.tar`] = await reversed(images);
    }
    const [usual, other] = [
      await openArchives(await folderOf()),
      await openArchives(await folderOf({ 'ILSVRC2012_img_train.tar': await reversed(classes) })),
    ];
    expect(other.train.map(({ name, label }) => [name, label])).toEqual(
      usual.train.map(({ name, label }) => [name, label]),
    );
    for (const [i, image] of other.train.entries()) {
      expect(contentOf(image).equals(contentOf(usual.train[i]!))).toBe(true);
    }
  });

  test('of 2010 have the same form', async () => {
    const images: Record<string, Buffer> = {};
    for (let i = 1; i <= 6; i++) images[`val/ILSVRC2010_val_0000000${i}.JPEG`] = await jpeg(i);
    const folder = await folderOf({
      'ILSVRC2010_images_train.tar': official['ILSVRC2012_img_train.tar'],
      'ILSVRC2010_images_val.tar': await tarOf(images),
      'ILSVRC2012_img_train.tar': undefined,
      'ILSVRC2012_img_val.tar': undefined,
      [packed]: undefined,
      'devkit-1.0/data/meta.mat': matFile(synsets, { year: 2010 }),
      'devkit-1.0/data/ILSVRC2010_validation_ground_truth.txt': '1\n2\n3\n3\n2\n1\n',
    });
    expect(await openArchives(folder)).toMatchObject({ name: 'ImageNet (ILSVRC 2010)' });
  });

  test.each([
    ['meta.mat, unpacked', { [meta]: matFile(synsets, { compressed: false }) }],
    ['map_clsloc.txt', { 'map_clsloc.txt': 'n00000010 2 tench\nn00000020 3 a_crane\nn00000030 1 crane\n' }],
  ])('are understood by %s', async (_, files) => {
    const folder = await folderOf({ [packed]: undefined, [groundTruth]: '1\n2\n3\n3\n2\n1\n', ...files });
    const source = await openArchives(folder);
    expect(source.validation.map(({ label }) => label)).toEqual([2, 0, 1, 1, 0, 2]);
    expect(source.classes[0]!.name).toBe('tench');
  });

  test('take names from synset_words.txt if it is next to meta.mat', async () => {
    const source = await openArchives(await folderOf({ 'synset_words.txt': 'n00000010 a fish, tench\n' }));
    expect(source.classes[0]!.name).toBe('a fish');
    expect(source.validation.map(({ label }) => label)).toEqual([2, 0, 1, 1, 0, 2]);
  });

  test('are recognized by their contents, under any name', async () => {
    const folder = await folderOf();
    for (const [name, other] of [
      ['ILSVRC2012_img_train.tar', 'ILSVRC2012_img_train (1).tar'],
      ['ILSVRC2012_img_val.tar', 'val.tar'],
    ] as const) {
      await rename(join(folder, name), join(folder, other));
    }
    // Some browsers unpack what they download.
    await rename(join(folder, packed), join(folder, 'ILSVRC2012_devkit_t12.tar'));
    await writeFile(join(folder, 'ILSVRC2012_devkit_t12.tar'), gunzipSync(official[packed]!));
    const source = await openArchives(folder);
    expect(source.validation.map(({ label }) => label)).toEqual([2, 0, 1, 1, 0, 2]);
    // Dogs, of another task of the contest.
    await writeFile(join(folder, 'ILSVRC2012_img_train_t3.tar'), await tarOf({ 'n00000010.tar': await tarOf({}) }));
    await rename(join(folder, 'ILSVRC2012_img_train (1).tar'), join(folder, 'ILSVRC2012_img_train.tar'));
    expect(await openArchives(folder)).toMatchObject({ train: { length: 12 } });
  });

  test('have a fingerprint of their contents, not of their location', async () => {
    const prints = await Promise.all(
      [{}, {}, { [packed]: undefined, [meta]: matFile(synsets), [groundTruth]: '1\n2\n3\n3\n2\n2\n' }].map(
        async (changes) => fingerprintOf(await openArchives(await folderOf(changes))),
      ),
    );
    expect(prints[0]).toBe(prints[1]);
    expect(prints[2]).not.toBe(prints[0]);
  });
});

describe('reports errors:', () => {
  test('a file that is missing', async () => {
    await refused(await folderOf({ 'ILSVRC2012_img_train.tar': undefined }), 'has no ILSVRC2012_img_train.tar');
    await refused(await folderOf({ 'ILSVRC2012_img_val.tar': undefined }), 'has no ILSVRC2012_img_val.tar');
    await refused(await folderOf({ [packed]: undefined }), 'has no ILSVRC2012_validation_ground_truth.txt');
    await refused(
      await folderOf({ [packed]: undefined, [groundTruth]: '1\n' }),
      "has no meta.mat with the meaning of the ground truth's numbers",
    );
    await refused(join(await temporaryFolder(), 'nowhere'), 'there is no folder');
  });

  test('a ground truth whose numbers only a synset_words.txt in another order could explain', async () => {
    const words = 'n00000010 tench\nn00000020 crane, a bird\nn00000030 crane\n';
    await refused(
      await folderOf({ [packed]: undefined, [groundTruth]: '1\n2\n3\n3\n2\n1\n', 'synset_words.txt': words }),
      "has no meta.mat with the meaning of the ground truth's numbers, and synset_words.txt has another order: put ILSVRC2012_devkit_t12.tar.gz",
    );
  });

  test('files of different contests', async () => {
    const lines = '1\n2\n3\n3\n2\n1\n';
    const of2010 = matFile(synsets, { year: 2010 });
    await refused(
      await folderOf({ [packed]: undefined, [groundTruth]: lines, [meta]: of2010 }),
      'ILSVRC2012_validation_ground_truth.txt is of 2012, ',
      'meta.mat of 2010, and their numbers differ',
    );
    const truthOf2010 = 'devkit-1.0/data/ILSVRC2010_validation_ground_truth.txt';
    await refused(
      await folderOf({ [packed]: undefined, [truthOf2010]: lines, 'map_clsloc.txt': 'n00000010 2 tench\n' }),
      'map_clsloc.txt of 2012, and their numbers differ',
    );
    await refused(
      await folderOf({ [packed]: undefined, [truthOf2010]: lines, 'devkit-1.0/data/meta.mat': of2010 }),
      'ILSVRC2012_img_train.tar is of 2012, ',
      'ILSVRC2010_validation_ground_truth.txt of 2010: put the files of one contest into a folder',
    );
    await refused(
      await folderOf({
        'ILSVRC2010_images_val.tar': official['ILSVRC2012_img_val.tar'],
        'ILSVRC2012_img_val.tar': undefined,
      }),
      'ILSVRC2010_images_val.tar of 2010',
    );
  });

  test('but later contests have the classes of 2012', async () => {
    const folder = await folderOf({
      [packed]: undefined,
      'devkit/data/ILSVRC2015_clsloc_validation_ground_truth.txt': '1\n2\n3\n3\n2\n1\n',
      'devkit/data/map_clsloc.txt': 'n00000010 2 tench\nn00000020 3 a_crane\nn00000030 1 crane\n',
    });
    expect((await openArchives(folder)).validation.map(({ label }) => label)).toEqual([2, 0, 1, 1, 0, 2]);
  });

  test('swapped archives', async () => {
    const [train, val] = [official['ILSVRC2012_img_train.tar']!, official['ILSVRC2012_img_val.tar']!];
    await refused(await folderOf({ 'ILSVRC2012_img_train.tar': val }), 'is this the training archive?');
    await refused(await folderOf({ 'ILSVRC2012_img_val.tar': train }), 'is this the validation archive?');
  });

  test('two candidates for one archive', async () => {
    const folder = await folderOf({ 'ILSVRC2012_img_train.tar': undefined });
    for (const name of ['a.tar', 'b.tar']) {
      await writeFile(join(folder, name), official['ILSVRC2012_img_train.tar']!);
    }
    await refused(folder, 'has a.tar and b.tar: give a folder with one of them');
  });

  test('archives that are truncated, the outer and an inner one', async () => {
    for (const name of ['ILSVRC2012_img_train.tar', 'ILSVRC2012_img_val.tar']) {
      for (const share of [0.3, 0.6, 0.9]) {
        const folder = await folderOf();
        await truncate(join(folder, name), Math.floor(official[name]!.length * share));
        await refused(folder, name, 'is truncated', 'get it again');
      }
    }
    const inner = (await tarOf({ 'n00000010_1.JPEG': await jpeg(1) })).subarray(0, 700);
    await refused(
      await folderOf({ 'ILSVRC2012_img_train.tar': await tarOf({ 'n00000010.tar': inner }) }),
      'ILSVRC2012_img_train.tar: n00000010.tar is truncated',
    );
    const folder = await folderOf();
    await truncate(join(folder, packed), 200);
    await refused(folder, `${packed} cannot be unpacked`);
  });

  test('an archive that lacks a class, has one twice, an unknown or an empty one', async () => {
    const of = async (...names: string[]) => {
      const full = await tarOf({ 'a.JPEG': await jpeg(1) });
      return folderOf({
        'ILSVRC2012_img_train.tar': await tarOf(Object.fromEntries(names.map((name) => [name, full]))),
      });
    };
    await refused(await of('n00000010.tar'), 'lacks 2 of the 3 classes of the development kit, for example n00000020');
    await refused(await of('n00000010.tar', 'x/n00000010.tar'), 'contains the class n00000010 twice');
    await refused(await of('n00000099.tar'), 'the class n00000099, which is not in the development kit');
    await refused(
      await folderOf({ 'ILSVRC2012_img_train.tar': await tarOf({ 'n00000010.tar': await tarOf({}) }) }),
      'n00000010.tar contains no images',
    );
  });

  test.each([
    ['too short', '1\n2\n3\n', 'has 3 lines'],
    ['too long', '1\n2\n3\n1\n1\n1\n1\n', 'has 7 lines'],
    ['with a number that the kit does not know', '1\n2\n7\n1\n1\n1\n', 'line 3: `7` is not a class of the kit'],
    ['with the number of a group of classes', '4\n2\n1\n1\n1\n1\n', 'line 1: `4` is not a class'],
    ['with a word', '1\n2\n1\nx\n1\n1\n', 'line 4: `x` is not a class'],
    ['that is empty', '', 'line 1: `` is not a class'],
  ])('a ground truth %s', async (_, text, message) => {
    const folder = await folderOf({ [packed]: undefined, [meta]: matFile(synsets), [groundTruth]: text });
    await refused(folder, message, 'validation_ground_truth.txt');
  });

  test('a validation archive that lacks an image', async () => {
    const archive = await tarOf({ 'ILSVRC2012_val_00000001.JPEG': 'x', 'ILSVRC2012_val_00000003.JPEG': 'x' });
    const folder = await folderOf({
      'ILSVRC2012_img_val.tar': archive,
      [packed]: undefined,
      [meta]: matFile(synsets),
      [groundTruth]: '1\n2\n',
    });
    await refused(folder, 'ILSVRC2012_val_00000003.JPEG is at position 2, so another image is missing');
  });

  test('a damaged meta.mat', async () => {
    const folder = await folderOf({ [packed]: undefined, [groundTruth]: '1\n', [meta]: 'text' });
    await refused(folder, 'meta.mat is not a readable MATLAB 5 file');
  });

  test('names that point outside an archive', async () => {
    const archive = await tarOf({ '../../n00000010.tar': 'x' });
    await refused(
      await folderOf({ 'ILSVRC2012_img_train.tar': archive }),
      '`../../n00000010.tar`, which points outside of it',
    );
    // In a packed kit, names only tell what a file is; nothing is written under them.
    const kit = gzipSync(
      await tarOf({ '../../meta.mat': matFile(synsets), '../validation_ground_truth.txt': '1\n2\n3\n3\n2\n1\n' }),
    );
    expect((await openArchives(await folderOf({ [packed]: kit }))).validation).toHaveLength(6);
  });

  test('circular and dangling links', async () => {
    const folder = await folderOf({ [packed]: undefined });
    await symlink('data', join(folder, 'data'));
    await refused(folder, 'data is a link that leads in a circle: repair or remove it');
    await rm(join(folder, 'data'));
    await symlink('gone', join(folder, 'devkit'));
    await refused(folder, 'devkit is a link that leads nowhere');
  });
});
