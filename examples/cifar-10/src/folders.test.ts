import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDataset, prepareDataset } from '@alex/data';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { prepareFolders } from './folders.js';

let data: string;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'alex-cifar-10-'));
});
afterEach(() => rm(data, { recursive: true }));

it('holds out the last fifth of the shards, with unchanged images', async () => {
  const to = join(data, 'cifar10-prepared');
  // Eight images in four shards; three of these are at most four fifths.
  await prepareDataset({ source: 'emoji', classes: 2, size: 8, to, imagesPerShard: 2, encoding: 'png', workers: 1 });
  const [images, learnt] = [8, 6];

  const folders = await prepareFolders(data);
  expect(folders.all.images).toBe(images);
  expect(folders['four-fifths'].images).toBe(learnt);
  const [all, fewer] = [await openDataset(folders.all.path), await openDataset(folders['four-fifths'].path)];
  expect(fewer.validation.length).toBe(images - learnt);
  expect(fewer.classes).toEqual(all.classes);

  const before = await all.train.read([0, 1, 2, 3, 4, 5, 6, 7]);
  const parts = [await fewer.train.read([0, 1, 2, 3, 4, 5]), await fewer.validation.read([0, 1])];
  expect(Buffer.concat(parts.map(({ pixels }) => pixels)).equals(before.pixels)).toBe(true);
  expect(parts.flatMap(({ labels }) => [...labels])).toEqual([...before.labels]);

  // Existing images are used as they are.
  expect(await prepareFolders(data)).toEqual(folders);
});
