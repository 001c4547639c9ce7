import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DataError } from '@alex/tensor';
import { expect, test } from 'vitest';
import { cifar10Files, readCifar10 } from '../cifar10.js';
import { temporaryFolder } from '../testing.js';
import { unpackCifar10 } from './cifar10-files.js';
import { tarOf } from './testing.js';

const names = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');

/** The official archive, of files with two records each. */
function archived(change: (files: Record<string, Buffer | string>) => void = () => {}): Promise<Buffer> {
  const files: Record<string, Buffer | string> = { 'cifar-10-batches-bin/batches.meta.txt': `${names.join('\n')}\n\n` };
  for (const [i, name] of cifar10Files.entries()) files[`cifar-10-batches-bin/${name}`] = Buffer.alloc(2 * 3073, i);
  files['cifar-10-batches-bin/readme.html'] = 'read me';
  change(files);
  return tarOf(files);
}

async function unpacked(content: Buffer): Promise<string> {
  const folder = await temporaryFolder();
  const archive = join(folder, 'cifar-10-binary.tar.gz');
  await writeFile(archive, content);
  await unpackCifar10(archive, join(folder, 'unpacked'));
  return join(folder, 'unpacked');
}

test('the official archive is unpacked, as far as it is needed', async () => {
  const folder = await unpacked(gzipSync(await archived()));
  expect((await readdir(folder)).sort()).toEqual(['batches.meta.txt', ...cifar10Files].sort());
  const { train, validation } = await readCifar10(folder, 2);
  expect([...train.labels]).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
  expect([...validation.labels]).toEqual([5, 5]);
});

test('a path that climbs out of the folder leads nowhere', async () => {
  const content = await archived((files) => {
    files['../../data_batch_6.bin'] = 'x';
    files['../batches.meta.txt.bin'] = 'x';
  });
  expect((await readdir(await unpacked(gzipSync(content)))).sort()).toEqual(
    ['batches.meta.txt', ...cifar10Files].sort(),
  );
});

test.each<[string, () => Promise<Buffer>, string]>([
  [
    'lacks a file',
    async () => gzipSync(await archived((files) => delete files['cifar-10-batches-bin/test_batch.bin'])),
    'holds no test_batch.bin',
  ],
  ['breaks off', async () => gzipSync(await archived()).subarray(0, 200), 'cannot be unpacked'],
  ['is not packed', () => archived(), 'cannot be unpacked'],
  ['is something else', async () => Buffer.from('a poem'), 'cannot be unpacked'],
])('an archive that %s is refused', async (_, make, message) => {
  const unpacking = unpacked(await make());
  await expect(unpacking).rejects.toThrow(DataError);
  await expect(unpacking).rejects.toThrow(message);
});
