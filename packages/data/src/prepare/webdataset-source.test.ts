import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DataError } from '@alex/tensor';
import { pack } from 'tar-stream';
import { beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../testing.js';
import { readPlace } from './place.js';
import { jpeg, photograph, sourceContext, tarOf, writeFiles } from './testing.js';
import { webdatasetSource } from './webdataset-source.js';

type Files = Record<string, Buffer | string>;

const images: Buffer[] = [];
beforeAll(async () => {
  for (let seed = 0; seed < 6; seed++) images.push(await jpeg(seed));
});

/** A shard with a sample for each of these labels; their keys begin with the prefix. */
async function shard(labels: readonly (number | string)[], prefix = ''): Promise<Buffer> {
  return tarOf(
    Object.fromEntries(
      labels.flatMap((label, i) => [
        [`${prefix}${i}.jpg`, images[i % 6]!],
        [`${prefix}${i}.cls`, `${label}`],
      ]),
    ),
  );
}

async function folderOf(files: Files): Promise<string> {
  const folder = join(await temporaryFolder(), 'shards');
  await mkdir(folder);
  await writeFiles(folder, files);
  return folder;
}
const open = async (from: string) => webdatasetSource(from, sourceContext(await temporaryFolder()));
const openFiles = async (files: Files) => open(await folderOf(files));

/** The source of one shard with these files, as train.tar, and one validation image each of classes 0 and 1. */
const openTrain = async (files: Files) =>
  openFiles({ 'train.tar': await tarOf(files), 'val.tar': await shard([0, 1]) });

async function refused(opening: Promise<unknown>, ...messages: string[]) {
  await expect(opening).rejects.toThrow(DataError);
  for (const message of messages) await expect(opening).rejects.toThrow(message);
}

describe('shards', () => {
  test('are read by number, for training and validation', async () => {
    const source = await openFiles({
      'train-000000.tar': await shard([2, 0]),
      'train-000001.tar': await shard([1, 0], 'x/'),
      'val-000000.tar': await shard([1]),
      'classes.txt': '\uFEFFcat\r\ndog, house\r\n  cow\r\n',
    });
    expect(source).toMatchObject({ kind: 'webdataset', name: 'shards', bytes: 'file', channels: 3 });
    expect(source.classes).toEqual([
      { id: '0', name: 'cat' },
      { id: '1', name: 'dog, house' },
      { id: '2', name: '  cow' },
    ]);
    expect(source.train.map(({ label }) => label)).toEqual([2, 0, 1, 0]);
    expect(source.train.map(({ name }) => name)).toEqual([
      'train-000000.tar/0.jpg',
      'train-000000.tar/1.jpg',
      'train-000001.tar/x/0.jpg',
      'train-000001.tar/x/1.jpg',
    ]);
    expect(source.validation.map(({ label }) => label)).toEqual([1]);
    expect(readPlace('x', source.train[3]!).equals(images[1]!)).toBe(true);
    expect(Object.keys(source.train[0]!)).not.toContain('key');
    expect(source.remarks).toEqual(['Found 2 shards of 4 training images, 1 for validation; 3 classes.']);
  });

  test('are read once each, also if a copy or the compressed form of one is there', async () => {
    const [one, two] = [await shard([0, 1]), await shard([1, 0])];
    // Of the same size, and alike at the beginning.
    expect(one.length).toBe(two.length);
    const source = await openFiles({
      'train-0 (1).tar': one,
      'train-0.tar': one,
      'train-0.tar.gz': gzipSync(one),
      'train-1.tar': two,
      'val.tar': await shard([0, 1], 'v'),
    });
    expect(source.train.map(({ name }) => name)).toEqual([
      'train-0 (1).tar/0.jpg',
      'train-0 (1).tar/1.jpg',
      'train-1.tar/0.jpg',
      'train-1.tar/1.jpg',
    ]);
    expect(source.remarks).toContain(
      '2 shards that are copies of others are skipped, for example train-0.tar (train-0 (1).tar).',
    );
  });

  test.each([
    ['imagenet_training-0.tar', 'imagenet_Validation-0.tar'],
    ['train/00000.tar', 'val/00000.tar'],
    ['00000.tar', 'valid.tar'],
    ['test-set-train-0.tar', 'test-set-val-0.tar'],
  ])('are distinguished by their names: %s and %s', async (train, validation) => {
    const source = await openFiles({ [train]: await shard([0, 1, 1]), [validation]: await shard([1]) });
    expect([source.train.length, source.validation.length]).toEqual([3, 1]);
  });

  test('without validation shards, one image in ten is held out, the same every time', async () => {
    const labels = Array.from({ length: 40 }, (_, i) => i % 2);
    const files = { '000.tar': await shard(labels) };
    const [first, second] = [await openFiles(files), await openFiles(files)];
    expect([first.train.length, first.validation.length]).toEqual([36, 4]);
    expect(first.validation.map(({ label }) => label).sort()).toEqual([0, 0, 1, 1]);
    expect(second.validation.map(({ name }) => name)).toEqual(first.validation.map(({ name }) => name));
    expect(first.remarks![0]).toContain('40 training images, one in ten of which is held out');
  });

  test('called test are used for validation if there are no others and they have labels', async () => {
    const train = await shard([0, 1, 0, 1]);
    const used = await openFiles({ 'train.tar': train, 'test.tar': await shard([1]) });
    expect(used.validation).toHaveLength(1);
    expect(used.remarks).toContain('There are no shards named val: the images of test.tar are used for validation.');
    const unlabelled = await openFiles({ 'train.tar': train, 'test.tar': await tarOf({ 'a.jpg': images[0]! }) });
    expect(unlabelled.validation).toHaveLength(2);
    expect(unlabelled.remarks).toContain('test.tar have no labels and are skipped.');
    const beside = await openFiles({ 'train.tar': train, 'val.tar': await shard([0]), 'test.tar': 'not looked at' });
    expect(beside.remarks).toContain('Skipped: test.tar.');
  });

  test('may be one file, or a pattern with braces', async () => {
    const folder = await folderOf({
      'a-{1}/train-000.tar': await shard([0, 1]),
      'train-000.tar': await shard([0, 1]),
      'train-001.tar': await shard([0]),
      'train-002.tar': await shard([1, 1, 1]),
      'val-000.tar': await shard([1]),
    });
    const pattern = await open(join(folder, '{train,val}-{000..000}.tar'));
    expect([pattern.train.length, pattern.validation.length]).toEqual([2, 1]);
    expect((await open(join(folder, 'train-{000..002}.tar'))).remarks![0]).toContain(
      'Found 3 shards of 6 training images',
    );
    expect((await open(join(folder, 'train-{000..002}.tar'))).name).toBe('shards');
    await refused(open(join(folder, 'train-{000..003}.tar')), 'train-003.tar, one of the 4 of');
    const four = join(folder, 'four.tar');
    await writeFile(four, await shard([0, 1, 0, 1]));
    expect((await open(four)).train).toHaveLength(2);
    // A folder is a folder, whatever its name.
    await rm(four);
    await refused(open(join(folder, 'a-{1}')), 'has only one image');
  });

  test('that are compressed are unpacked first', async () => {
    const folder = await folderOf({
      'train.tar.gz': gzipSync(await shard([0, 1])),
      'val.tgz': gzipSync(await shard([1])),
    });
    const context = sourceContext(await temporaryFolder());
    const source = await webdatasetSource(folder, context);
    expect(readPlace('x', source.train[1]!).equals(images[1]!)).toBe(true);
    expect(source.train[1]!.name).toBe('train.tar.gz/1.jpg');
    expect(context.said).toHaveLength(2);
  });

  test('that are missing in a sequence, or belong to an unknown split, are named', async () => {
    const { remarks } = await openFiles({
      'train-08.tar': await shard([0, 1]),
      'train-11.tar': await shard([1, 0]),
      'val-1.tar': await shard([0]),
      'samples.tar': 'not looked at',
    });
    expect(remarks!.slice(1)).toEqual([
      'Shards named neither train nor val are skipped: samples.tar.',
      'Some of the numbered shards are missing: train-09.tar, train-10.tar.',
      'There is no classes.txt, so the classes are named by their numbers.',
    ]);
  });
});

describe('archives', () => {
  /** A shard with a sample of a long name, by tar-stream, which writes pax. */
  async function paxShard(): Promise<Buffer> {
    const packed = pack();
    packed.entry({ name: 'folder', type: 'directory' });
    for (const [i, label] of [0, 1].entries()) {
      const key = `${'long/'.repeat(40)}${'ä'.repeat(60)}${i}`;
      // As written by macOS's tar next to every file with extended attributes.
      packed.entry({ name: `${'long/'.repeat(40)}._${i}.jpg` }, 'Mac OS X');
      packed.entry({ name: `${key}.jpg`, pax: { 'LIBARCHIVE.xattr.com.apple.quarantine': 'x' } }, images[i]!);
      packed.entry({ name: `${key}.cls` }, `${label}`);
    }
    packed.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of packed) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }

  test("pax, long names, and macOS's own files", async () => {
    const source = await openFiles({ 'train.tar': await paxShard(), 'val.tar': await shard([0]) });
    expect(source.train.map(({ label }) => label)).toEqual([0, 1]);
    expect(source.train[0]!.name).toBe(`train.tar/${'long/'.repeat(40)}${'ä'.repeat(60)}0.jpg`);
    expect(source.remarks![1]).toMatch(/^2 hidden files are skipped, for example train\.tar\/long\/.*\._0\.jpg\.$/);
  });

  test.runIf(process.platform === 'linux').each(['gnu', 'oldgnu', 'pax', 'posix', 'ustar', 'v7'])(
    'as GNU tar writes them: %s',
    async (format) => {
      const folder = await folderOf({ 'val.tar': await shard([0]) });
      const files: Files = {};
      const long = format === 'v7' ? 'short' : `${'d'.repeat(80)}/${'n'.repeat(90)}`;
      for (const i of [0, 1]) Object.assign(files, { [`${long}${i}.jpg`]: images[i]!, [`${long}${i}.cls`]: `${i}` });
      await writeFiles(join(folder, 'in'), files);
      execFileSync('tar', [`--format=${format}`, '-cf', join(folder, 'train.tar'), '-C', join(folder, 'in'), '.']);
      await rm(join(folder, 'in'), { recursive: true });
      const source = await open(folder);
      expect(source.train.map(({ label }) => label).sort()).toEqual([0, 1]);
      const first = source.train.find(({ label }) => label === 0)!;
      expect(first.name).toBe(`train.tar/./${long}0.jpg`);
      expect(readPlace('x', first).equals(images[0]!)).toBe(true);
    },
  );

  test('without an end marker are read; a truncated member is named', async () => {
    const whole = await shard([0, 1]);
    const source = await openFiles({ 'train.tar': whole.subarray(0, -1024), 'val.tar': await shard([0]) });
    expect(source.train).toHaveLength(2);
    const from = openFiles({ 'train.tar': whole.subarray(0, -1024 - 512), 'val.tar': await shard([0]) });
    await refused(from, 'train.tar is truncated: 1.cls at byte', 'should have 1 bytes, 0 are left: get it again');
  });
});

describe('samples', () => {
  test('end their keys at the first dot of the name', async () => {
    const source = await openTrain({
      'a.b/c.jpg': images[0]!,
      'a.b/c.seg.png': 'a mask',
      'a.b/c.cls': '0',
      'a.b/d.img.v2.JPEG': images[1]!,
      'a.b/d.info.json': '{"label": 1}',
      README: 'x',
    });
    expect(source.train.map(({ name, label }) => [name, label])).toEqual([
      ['train.tar/a.b/c.jpg', 0],
      ['train.tar/a.b/d.img.v2.JPEG', 1],
    ]);
    expect(source.remarks).toContain('1 file without an extension is skipped: train.tar/README.');
  });

  test('may be scattered in their shard', async () => {
    const source = await openTrain({ 'a.jpg': images[0]!, 'b.jpg': images[1]!, 'a.cls': '1', 'b.cls': '0' });
    expect(source.train.map(({ label }) => label)).toEqual([1, 0]);
  });

  test('may be labelled by many fields', async () => {
    const fields = ['label', 'cls', 'class', 'class_id', 'target'];
    const files: Files = {};
    for (const [i, field] of fields.entries()) {
      files[`${i}.json`] = JSON.stringify({ width: 3, caption: 'x', [field]: i % 2 ? `${i % 2}` : 0 });
      files[`${i}.webp`] = await photograph(i).webp().toBuffer();
    }
    expect((await openTrain(files)).train.map(({ label }) => label)).toEqual([0, 1, 0, 1, 0]);
  });

  test('labelled by class names are numbered in alphabetical order or that of a list', async () => {
    const shards = {
      'train.tar': await shard(['zebra', 'Paris, France', 'café'.normalize('NFD')]),
      'val.tar': await shard(['zebra']),
    };
    const source = await openFiles(shards);
    expect(source.classes.map(({ name }) => name)).toEqual(['Paris, France', 'café'.normalize('NFC'), 'zebra']);
    expect(source.train.map(({ label }) => label)).toEqual([2, 0, 1]);
    const listed = await openFiles({ ...shards, 'labels.txt': 'zebra\ncafé\nunused\nParis, France\n' });
    expect(listed.classes.map(({ name }) => name)).toEqual(['zebra', 'café', 'Paris, France']);
    const ids = await openFiles({
      'train.tar': await shard(['n01', 'n02']),
      'val.tar': await shard(['n01']),
      'classes.txt': 'n01 tench, Tinca tinca\nn02 goldfish\n',
    });
    expect(ids.classes).toEqual([
      { id: 'n01', name: 'tench' },
      { id: 'n02', name: 'goldfish' },
    ]);
  });

  test('a list may begin its lines with the numbers; classes without images are named', async () => {
    const source = await openFiles({
      'train.tar': await shard([0, 2]),
      'val.tar': await shard([0]),
      'classes.txt': '0 cat\n1 7 dwarfs\n2 dog\n',
    });
    expect(source.classes.map(({ name }) => name)).toEqual(['cat', '7 dwarfs', 'dog']);
    expect(source.remarks).toContain('1 class has no images: 1.');
  });

  test('that lack an image or a label are skipped and counted', async () => {
    const source = await openTrain({
      'a.jpg': images[0]!,
      'a.cls': '0',
      'b.jpg': images[1]!,
      'c.cls': '1',
      'd.jpg': images[2]!,
      'd.json': '{"caption":"x"}',
      'e.jpg': images[3]!,
      'e.cls': '1\n',
    });
    expect(source.train.map(({ label }) => label)).toEqual([0, 1]);
    expect(source.remarks).toEqual(
      expect.arrayContaining([
        '2 samples without a label are skipped, for example train.tar/b.',
        '1 sample without an image is skipped: train.tar/c.',
      ]),
    );
  });
});

describe('reports errors:', () => {
  test('shards without labels, or without images', async () => {
    await refused(
      openTrain({ 'a.jpg': images[0]!, 'a.txt': 'a caption' }),
      'there are no labelled images in train.tar',
      '(KEY.cls with a number or a name, or KEY.json with `label`); there is KEY.jpg, KEY.txt',
    );
    await refused(openTrain({ 'a.cls': '1' }), 'there is KEY.cls');
    await refused(openTrain({}), 'there is nothing');
  });

  test('folders without shards, or without training shards', async () => {
    await refused(
      openFiles({ 'a.jpg': 'x' }),
      'has no shards (*.tar): give a folder with shards like train-000000.tar',
    );
    await refused(openFiles({ 'val-0.tar': 'x' }), 'has shards like val-0.tar, but no training shards');
    await refused(open(join(await temporaryFolder(), 'nowhere')), 'there is no folder');
  });

  test.each<[string, Files, string]>([
    ['a file twice', { 'a.jpg': 'x', 'a.JPG': 'x' }, 'train.tar contains a.JPG twice'],
    [
      'two images',
      { 'a.jpg': 'x', 'a.png': 'x', 'a.cls': '0' },
      'train.tar/a has 2 images (jpg, png): a sample must have one',
    ],
    ['two images of many dots', { 'a.1.jpg': 'x', 'a.2.jpg': 'x', 'a.cls': '0' }, 'its key ends at the first dot'],
    ['an empty label', { 'a.jpg': 'x', 'a.cls': ' \n' }, 'a.cls is empty: it must contain a class'],
    [
      'two labels',
      { 'a.jpg': 'x', 'a.cls': '1', 'a.json': '{"label": 2}' },
      'train.tar: the label is 1 in a.cls, but 2 in a.json: create the shard again',
    ],
    ['invalid JSON', { 'a.jpg': 'x', 'a.json': '{' }, 'train.tar: a.json is not JSON'],
    [
      'labels of two kinds',
      { 'a.jpg': 'x', 'a.cls': '1', 'b.jpg': 'x', 'b.cls': 'cat' },
      'train.tar/a.jpg has the label 1, train.tar/b.jpg the label cat',
    ],
    [
      'numbers of something else',
      { 'a.jpg': 'x', 'a.cls': '123456789' },
      'a label is 123456789, so labels do not seem to be class numbers',
    ],
    [
      'a class that only validation has',
      { 'a.jpg': 'x', 'a.cls': '0' },
      'val.tar/1.jpg is of the class 1, which has no training images',
    ],
  ])('%s', async (_, files, message) => {
    await refused(openTrain(files), message);
  });

  test('one class only, and a list that is too short', async () => {
    await refused(openFiles({ 'train.tar': await shard([3, 3, 3]) }), 'all samples have the label 3');
    await refused(
      openFiles({ 'train.tar': await shard([1, 2]), 'val.tar': await shard([1]), 'classes.txt': 'cat\ndog\n\n' }),
      'classes.txt names 2 classes, but a label is 2: labels count from 0',
    );
  });

  test('a class of one image that could not be held out', async () => {
    await refused(
      openFiles({ 'train.tar': await shard(['a', 'a', 'b']) }),
      'the class b has only one image: give at least two',
    );
  });

  test('what is not an archive', async () => {
    await refused(
      openFiles({ 'train.tar': Buffer.alloc(1024, 65) }),
      'train.tar is not a tar archive: it is text; get it again',
    );
  });
});
