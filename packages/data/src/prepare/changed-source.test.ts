import { cp, mkdir, readdir, readFile, rename, rm, stat, statfs, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, DataError } from '@alex/tensor';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../../../temporary.base.js';
import { openDataset } from '../open-dataset.js';
import { type PrepareOptions, prepareDataset } from './prepare.js';
import { checkRoom } from './target.js';
import { jpeg, writeFiles, zipOf } from './testing.js';

const parent = temporaryFolder();
let count = 0;
const newFolder = () => join(parent, `f${count++}`);

/** Two classes of five training images and one validation image; some files are replaced or added. */
async function folderOf(changes: Record<string, Buffer | string> = {}): Promise<string> {
  const from = newFolder();
  const files: Record<string, Buffer | string> = {};
  for (const c of [0, 1]) {
    for (let i = 0; i < 5; i++) files[`train/${c}/${i}.JPEG`] = await jpeg(10 * c + i);
    files[`val/${c}/0.JPEG`] = await jpeg(50 + c);
  }
  await writeFiles(from, { ...files, ...changes });
  return from;
}

/** Three shards of four training images, and one for validation. */
const optionsFor = (from: string, to = newFolder()) =>
  ({ source: 'folder', from, to, size: 16, imagesPerShard: 4, workers: 1 }) satisfies PrepareOptions;

async function shardsOf(to: string): Promise<Record<string, { content: string; made: number }>> {
  const shards: Record<string, { content: string; made: number }> = {};
  for (const name of (await readdir(to)).filter((name) => name.endsWith('.tar')).sort()) {
    const content = (await readFile(join(to, name))).toString('base64');
    shards[name] = { content, made: (await stat(join(to, name))).ino };
  }
  return shards;
}

const listed = async (to: string) =>
  (await readFile(join(to, 'rejected.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { split: string; image: string; reason: string });

describe('a preparation that stopped because of unusable images', () => {
  test('lists all of them, and continues after they are replaced: only their shards are made again', async () => {
    const from = await folderOf({ 'train/0/1.JPEG': '', 'train/1/4.JPEG': 'a poem' });
    const options = optionsFor(from);
    await expect(prepareDataset(options)).rejects.toThrow(
      /^2 of 12 images cannot be used, more than 0\.1%; for example train\/0\/1\.JPEG \(the file is empty\)\. .*rejected\.jsonl lists them: replace or remove them, or allow more with --max-rejected 16\.67%$/,
    );
    expect(await listed(options.to)).toEqual([
      { split: 'train', image: 'train/0/1.JPEG', reason: 'the file is empty' },
      { split: 'train', image: 'train/1/4.JPEG', reason: 'it is text' },
    ]);
    const before = await shardsOf(options.to);
    await writeFile(join(from, 'train/0/1.JPEG'), await jpeg(90));
    await writeFile(join(from, 'train/1/4.JPEG'), await jpeg(91));
    const { manifest } = await prepareDataset(options);
    expect(manifest.splits.train).toMatchObject({ images: 10, rejected: 0 });
    expect(await readdir(options.to)).not.toContain('rejected.jsonl');
    const after = await shardsOf(options.to);
    const made = Object.keys(after).filter((name) => after[name]!.made !== before[name]?.made);
    expect(made).toEqual(['train-000000.tar', 'train-000002.tar']);
    // The same as if it had been prepared in one go.
    const whole = optionsFor(from);
    await prepareDataset(whole);
    for (const name of await readdir(whole.to)) {
      expect((await readFile(join(options.to, name))).equals(await readFile(join(whole.to, name))), name).toBe(true);
    }
  });

  test('continues after they are removed, with fewer shards', async () => {
    const from = await folderOf({ 'train/1/4.JPEG': 'a', 'train/1/5.JPEG': 'b', 'train/1/6.JPEG': 'c' });
    const options = optionsFor(from);
    // Twelve images are three shards, eight are two.
    await expect(prepareDataset(options)).rejects.toThrow('3 of 14 images cannot be used');
    for (const i of [3, 4, 5, 6]) await rm(join(from, `train/1/${i}.JPEG`));
    const { manifest } = await prepareDataset(options);
    expect(manifest.splits.train.shards.map(({ file }) => file)).toEqual(['train-000000.tar', 'train-000001.tar']);
    expect(await readdir(options.to)).not.toContain('train-000002.tar');
    expect((await openDataset(options.to)).train.length).toBe(8);
  });

  test('stores no result for a file that could not be read: it may be back later', async () => {
    const from = await folderOf();
    const elsewhere = join(from, '..', `${count}.JPEG`);
    await symlink(elsewhere, join(from, 'train/0/9.JPEG'));
    const options = optionsFor(from);
    await expect(prepareDataset(options)).rejects.toThrow(
      'for example train/0/9.JPEG (it is a link that leads nowhere)',
    );
    await writeFile(elsewhere, await jpeg(92));
    const { manifest } = await prepareDataset(options);
    expect(manifest.splits.train).toMatchObject({ images: 11, rejected: 0 });
  });
});

describe('a finished preparation', () => {
  test('is refused if its images were replaced, even by images of the same size and date', async () => {
    const [one, other] = [await jpeg(7), Buffer.from(await jpeg(7))];
    other[other.length - 3]! ^= 1;
    const from = await folderOf({ 'train/0/0.JPEG': one });
    const options = optionsFor(from);
    const { manifest } = await prepareDataset(options);
    const file = join(from, 'train/0/0.JPEG');
    const { atime, mtime } = await stat(file);
    await writeFile(`${file}.other`, other);
    await utimes(`${file}.other`, atime, mtime);
    await rename(`${file}.other`, file);
    await expect(prepareDataset(options)).rejects.toThrow(ConfigError);
    await expect(prepareDataset(options)).rejects.toThrow('was prepared from images whose content has changed since');
    // Touched files are unchanged.
    await writeFile(file, one);
    const said: string[] = [];
    const again = await prepareDataset({
      ...options,
      onEvent: (event) => event.kind === 'remark' && said.push(event.text),
    });
    expect(again).toMatchObject({ alreadyThere: true, manifest });
    expect(said.at(-1)).toContain(`are newer than ${options.to}: their content is compared.`);
    // So is a copy in any folder.
    const copy = join(newFolder(), from.slice(parent.length + 1));
    await mkdir(join(copy, '..'));
    await cp(from, copy, { recursive: true });
    expect(await prepareDataset({ ...options, from: copy })).toMatchObject({ alreadyThere: true });
  });
});

describe('the checksum of a file in an archive', () => {
  test('is verified: a file with a wrong checksum is rejected, compressed or not', async () => {
    const files: Record<string, Buffer> = {};
    for (const [c, id] of ['n00000010', 'n00000020'].entries()) {
      for (const i of [0, 1, 2]) files[`train/${id}/${i}.JPEG`] = await jpeg(10 * c + i);
      files[`val/${id}/0.JPEG`] = await jpeg(50 + c);
    }
    const from = newFolder();
    await mkdir(from);
    const zip = await zipOf(files);
    // In the directory at the archive's end: of two neighbours one is compressed, and the other is not.
    for (const name of ['train/n00000010/1.JPEG', 'train/n00000010/2.JPEG']) {
      const entry = zip.lastIndexOf(name) - 46;
      expect(zip.readUInt32LE(entry)).toBe(0x02014b50);
      zip[entry + 16]! ^= 1;
    }
    await writeFile(join(from, 'images.zip'), zip);
    const options = { ...optionsFor(join(from, 'images.zip')), source: 'imagenet', maxRejected: 0.3 } as const;
    const { manifest } = await prepareDataset(options);
    expect(manifest.splits.train).toMatchObject({ images: 4, rejected: 2 });
    expect((await listed(options.to)).map(({ image, reason }) => [image, reason])).toEqual([
      ['n00000010/1.JPEG', expect.stringContaining('its checksum is wrong')],
      ['n00000010/2.JPEG', expect.stringContaining('its checksum is wrong')],
    ]);
  });
});

describe('space on the disk', () => {
  const format = { size: 256, channels: 3, encoding: 'jpg', quality: 95 } as const;

  test('is looked for before the work begins: what cannot fit is refused, what may not is told', async () => {
    const said: string[] = [];
    await checkRoom(parent, 1000, format, (text) => said.push(text));
    expect(said).toEqual([]);
    // Each takes 2 kB at least, and some 30 kB usually.
    await expect(checkRoom(parent, 2 ** 50, format, (text) => said.push(text))).rejects.toThrow(DataError);
    await expect(checkRoom(parent, 2 ** 50, format, () => {})).rejects.toThrow(
      /^Preparing [\d,]+ images needs at least [\d,.]+ GB in .*, but only [\d,.]+ GB are free: free some space/,
    );
    expect(said).toEqual([]);
    const { bavail, bsize } = await statfs(parent);
    await checkRoom(parent, Math.floor((bavail * bsize) / 8192), format, (text) => said.push(text));
    expect(said).toEqual([
      expect.stringMatching(/ has [\d,.]+ GB free; shards of this many photographs need about [\d,.]+ GB/),
    ]);
  });
});
