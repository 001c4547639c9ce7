import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { DecodeJob } from '../decode-worker.js';
import { photograph } from '../prepare/testing.js';
import { temporaryFolder } from '../testing.js';
import { Decoder } from './decoder.js';

/** Files with one image each. */
async function filesCalled(...names: string[]): Promise<{ images: DecodeJob['images']; pixels: Buffer }> {
  const folder = await temporaryFolder();
  const image = photograph(1, 8, 8);
  const content = await image.clone().png().toBuffer();
  await writeFile(join(folder, 'content'), content);
  for (const name of names) await copyFile(join(folder, 'content'), join(folder, name));
  return {
    images: names.map((name) => ({
      file: join(folder, name),
      offset: 0,
      length: content.length,
      checksum: crc32(content),
    })),
    pixels: await image.raw().toBuffer(),
  };
}

const decoder = new Decoder(8, 3, 2, 'prepared/testing-decode-worker');

test('gives images one after another', async () => {
  const { images, pixels } = await filesCalled('a', 'b', 'c');
  expect(await decoder.decode(images)).toEqual(Uint8Array.from(Buffer.concat([pixels, pixels, pixels])));
});

test('finds the image that crashes the thread, and continues with a new one', async () => {
  const { images } = await filesCalled('a', 'b', 'fatal', 'c');
  const failure = await decoder.decode(images);
  expect(failure).toMatchObject({ failed: 2, reason: expect.stringContaining('the thread that decoded it ended') });
  expect(await decoder.decode(images.slice(0, 2))).toBeInstanceOf(Uint8Array);
});

test('tries each image alone if a batch crashed the thread', async () => {
  const { images, pixels } = await filesCalled('a', 'together');
  expect(await decoder.decode(images)).toEqual(Uint8Array.from(Buffer.concat([pixels, pixels])));
});

test.each<[string, Partial<DecodeJob['images'][number]>, string]>([
  ['other bytes than were prepared', { checksum: 7 }, 'its bytes are not what was prepared'],
  ['a shard that is truncated', { length: 100_000 }, 'its shard is truncated'],
  ['a shard that is gone', { file: '/nowhere/at/all' }, 'ENOENT'],
])('reports %s, the first image of several', async (_, change, reason) => {
  const { images } = await filesCalled('a', 'b', 'c', 'd');
  const changed = images.map((image, i) => (i === 1 || i === 3 ? { ...image, ...change } : image));
  expect(await decoder.decode(changed)).toMatchObject({ failed: 1, reason: expect.stringContaining(reason) });
});

test('reports an image of another size', async () => {
  const { images } = await filesCalled('a');
  const other = new Decoder(9, 3, 2);
  expect(await other.decode(images)).toEqual({ failed: 0, reason: 'it has 8 x 8 x 3 values' });
});

test('reports a thread that cannot start, each time', async () => {
  const { images } = await filesCalled('a');
  const without = new Decoder(8, 3, 2, 'no-such-script');
  for (let time = 0; time < 2; time++) {
    expect(await without.decode(images)).toMatchObject({
      failed: 0,
      reason: expect.stringContaining('Cannot find module'),
    });
  }
});
