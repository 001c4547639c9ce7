import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ConfigError, DataError } from '@alex/tensor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { batches } from '../batches.js';
import { ownScript } from '../own-script.js';
import { prepareDataset } from '../prepare/prepare.js';
import { jpeg, writeFiles } from '../prepare/testing.js';
import { temporaryFolder } from '../testing.js';
import { decodeIndex } from './index-file.js';
import { readManifest } from './manifest.js';
import { openPrepared } from './open-prepared.js';
import { verifyPrepared } from './verify.js';

let folder: string;
let prepared: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'alex-prepared-'));
  const from = join(folder, 'images');
  const files: Record<string, Buffer> = {};
  for (let i = 0; i < 10; i++) files[`train/${i % 2 ? 'cat' : 'dog'}/${i}.JPEG`] = await jpeg(i);
  for (let i = 0; i < 2; i++) files[`val/${i % 2 ? 'cat' : 'dog'}/${i}.JPEG`] = await jpeg(50 + i);
  await writeFiles(from, files);
  prepared = join(folder, 'prepared');
  await prepareDataset({ source: 'folder', from, to: prepared, size: 16, imagesPerShard: 4 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A copy, to be damaged. */
async function copyOfPrepared(): Promise<string> {
  const copy = join(await temporaryFolder(), 'copy');
  await cp(prepared, copy, { recursive: true });
  return copy;
}

/** Changes one bit within the bytes of a training image. */
async function damage(directory: string, image: number): Promise<string> {
  const { splits, classes } = await readManifest(directory);
  const { shards, index } = splits.train;
  const { offsets, lengths } = decodeIndex('', await readFile(join(directory, index.file)), shards, classes.length);
  const shard = shards[Math.floor(image / 4)]!.file;
  const content = await readFile(join(directory, shard));
  content[offsets[image]! + (lengths[image]! >> 1)]! ^= 16;
  await writeFile(join(directory, shard), content);
  return shard;
}

describe('reading', () => {
  test('gives the same images for any order, number of workers and cache', async () => {
    const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    const { pixels, labels } = await (await openPrepared(prepared, { workers: 1, cacheBytes: 0 })).train.read(all);
    const bytes = 16 * 16 * 3;
    const wanted = [7, 7, 0, 9, 3];
    // Room for three images: some are kept, some are not.
    const { train } = await openPrepared(prepared, { workers: 3, cacheBytes: 3 * bytes });
    for (let again = 0; again < 3; again++) {
      const read = await train.read(wanted);
      expect([...read.labels]).toEqual(wanted.map((i) => labels[i]));
      for (const [at, i] of wanted.entries()) {
        expect(read.pixels.subarray(at * bytes, (at + 1) * bytes)).toEqual(pixels.subarray(i * bytes, (i + 1) * bytes));
      }
    }
  });

  test('keeps decoded images while memory lasts', async () => {
    const copy = await copyOfPrepared();
    const { train } = await openPrepared(copy);
    const before = await train.read([1, 5]);
    const shard = join(copy, 'train-000000.tar');
    const content = await readFile(shard);
    await writeFile(shard, Buffer.alloc(content.length));
    await rm(join(copy, 'train-000001.tar'));
    expect(await train.read([5, 1, 5])).toMatchObject({ count: 3 });
    expect(await train.read([1, 5])).toEqual(before);
    await expect(train.read([1, 2])).rejects.toThrow(DataError);
    await writeFile(shard, content);
    expect((await train.read([1, 2])).count).toBe(2);
  });

  test('continues at any batch of any epoch', async () => {
    const { train } = await openPrepared(prepared);
    const from = async (epoch: number, position: number) => {
      const read = [];
      for await (const batch of batches(train, { batch: 3, seed: 5, epoch, position, epochs: 3 - epoch, ahead: 2 }))
        read.push(batch);
      return read;
    };
    const whole = await from(0, 0);
    expect(whole).toHaveLength(9);
    expect(await from(1, 2)).toEqual(whole.slice(5));
  });

  test('refuses an image that does not exist', async () => {
    const { train } = await openPrepared(prepared);
    await expect(train.read([0, 10])).rejects.toThrow(ConfigError);
    expect(() => train.imageName(-1)).toThrow('has images 0 to 9');
  });

  test('does not keep a process from ending', async () => {
    const { url, execArgv } = ownScript('open-prepared');
    const code = `const { openPrepared } = await import('${url}');
      const { train } = await openPrepared(${JSON.stringify(prepared)});
      console.log((await train.read([0, 1])).count);`;
    const run = [...execArgv, '--input-type=module', '--eval', code];
    const { stdout } = await promisify(execFile)(process.execPath, run);
    expect(stdout).toBe('2\n');
  });
});

describe('damage', () => {
  test('to an image is found when it is read, and named with its shard', async () => {
    const copy = await copyOfPrepared();
    const shard = await damage(copy, 6);
    expect(shard).toBe('train-000001.tar');
    const { train } = await openPrepared(copy);
    const reading = train.read([0, 5, 6, 7]);
    await expect(reading).rejects.toThrow(DataError);
    await expect(reading).rejects.toThrow(
      `train-000001.tar/00000006_2.jpg (image 6 of images, training, in ${join(copy, shard)}) cannot be read: its bytes are not what was prepared`,
    );
    expect((await train.read([0, 5, 7])).count).toBe(3);
    await expect(verifyPrepared(copy)).rejects.toThrow('train-000001.tar is not what was prepared');
  });

  test.each([
    ['a shard that is truncated', 'train-000001.tar', /train-000001\.tar has 700 bytes, but was prepared with \d+/],
    ['an index that is truncated', 'train.index', /train\.index is missing or damaged/],
    ['a mean image that is truncated', 'mean-image.npy', /mean-image\.npy is missing or damaged/],
    ['a description that is truncated', 'dataset.json', /dataset\.json is not JSON/],
  ])('in %s is found at once', async (_, file, message) => {
    const copy = await copyOfPrepared();
    await truncate(join(copy, file), file.endsWith('.tar') ? 700 : 40);
    const opening = openPrepared(copy);
    await expect(opening).rejects.toThrow(DataError);
    await expect(opening).rejects.toThrow(message);
  });

  test('in a shard that is gone is found at once', async () => {
    const copy = await copyOfPrepared();
    await rm(join(copy, 'validation-000000.tar'));
    await expect(openPrepared(copy)).rejects.toThrow('validation-000000.tar (ENOENT');
  });
});

test.each([{ workers: 0 }, { workers: 1.5 }, { cacheBytes: -1 }, { cacheBytes: Number.NaN }])(
  'refuses %j',
  async (options) => {
    await expect(openPrepared(prepared, options)).rejects.toThrow(ConfigError);
  },
);
