import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { DecodeJob } from '../decode-worker.js';
import { photograph } from '../prepare/testing.js';
import { temporaryFolder } from '../testing.js';
import { Decoder } from './decoder.js';

/** Files of one picture each. */
async function filesCalled(...names: string[]): Promise<{ pictures: DecodeJob['pictures']; pixels: Buffer }> {
  const folder = await temporaryFolder();
  const picture = photograph(1, 8, 8);
  const content = await picture.clone().png().toBuffer();
  await writeFile(join(folder, 'content'), content);
  for (const name of names) await copyFile(join(folder, 'content'), join(folder, name));
  return {
    pictures: names.map((name) => ({
      file: join(folder, name),
      offset: 0,
      length: content.length,
      checksum: crc32(content),
    })),
    pixels: await picture.raw().toBuffer(),
  };
}

const decoder = new Decoder(8, 3, 2, 'prepared/testing-decode-worker');

test('gives pictures one after another', async () => {
  const { pictures, pixels } = await filesCalled('a', 'b', 'c');
  expect(await decoder.decode(pictures)).toEqual(Uint8Array.from(Buffer.concat([pixels, pixels, pixels])));
});

test('finds the picture that ends the thread, and goes on with a new one', async () => {
  const { pictures } = await filesCalled('a', 'b', 'fatal', 'c');
  const failure = await decoder.decode(pictures);
  expect(failure).toMatchObject({ failed: 2, reason: expect.stringContaining('the thread that decoded it ended') });
  expect(await decoder.decode(pictures.slice(0, 2))).toBeInstanceOf(Uint8Array);
});

test('tries each picture alone where all of them together ended the thread', async () => {
  const { pictures, pixels } = await filesCalled('a', 'together');
  expect(await decoder.decode(pictures)).toEqual(Uint8Array.from(Buffer.concat([pixels, pixels])));
});

test.each<[string, Partial<DecodeJob['pictures'][number]>, string]>([
  ['other bytes than were prepared', { checksum: 7 }, 'its bytes are not what was prepared'],
  ['a shard that breaks off', { length: 100_000 }, 'its shard breaks off'],
  ['a shard that is gone', { file: '/nowhere/at/all' }, 'ENOENT'],
])('tells of %s, the first picture of several', async (_, change, reason) => {
  const { pictures } = await filesCalled('a', 'b', 'c', 'd');
  const changed = pictures.map((picture, i) => (i === 1 || i === 3 ? { ...picture, ...change } : picture));
  expect(await decoder.decode(changed)).toMatchObject({ failed: 1, reason: expect.stringContaining(reason) });
});

test('tells of a picture of another size', async () => {
  const { pictures } = await filesCalled('a');
  const other = new Decoder(9, 3, 2);
  expect(await other.decode(pictures)).toEqual({ failed: 0, reason: 'it has 8 x 8 x 3 values' });
});
