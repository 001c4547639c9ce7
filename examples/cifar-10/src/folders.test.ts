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

it('holds the last fifth of the shards out, image by image the same', async () => {
  const to = join(data, 'cifar10-prepared');
  // Eight images in four shards, of which three are not more than four fifths.
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

  // What is there is taken as it is.
  expect(await prepareFolders(data)).toEqual(folders);
});
