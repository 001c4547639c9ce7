import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ConfigError, DataError } from '@alex/tensor';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../testing.js';
import { sourceKindOf, sourceOf } from './source-kind.js';
import { smallImagenet, tarOf, writeFiles, zipOf } from './testing.js';

type Files = Record<string, Buffer | string>;

async function folderOf(files: Files): Promise<string> {
  const folder = await temporaryFolder();
  await writeFiles(folder, files);
  return folder;
}

/** An IDX file of these labels. */
function labels(digits: string): Buffer {
  const header = Buffer.from([0, 0, 8, 1, 0, 0, 0, digits.length]);
  return Buffer.concat([header, Buffer.from([...digits].map(Number))]);
}

function mnist(train: string, validation: string): Files {
  const images = (count: number) =>
    Buffer.concat([Buffer.from([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 28, 0, 0, 0, 28]), Buffer.alloc(count * 784)]);
  return {
    'train-images-idx3-ubyte': images(train.length),
    'train-labels-idx1-ubyte': labels(train),
    't10k-images-idx3-ubyte': images(validation.length),
    't10k-labels-idx1-ubyte': labels(validation),
  };
}

const samples = { 'a.jpg': 'x', 'a.cls': '0' };
const id = 'n01440764';

describe('the kind of data is detected from the contents', () => {
  test.each<[string, string, () => Files | Promise<Files>]>([
    ['folder', 'class folders', () => ({ 'cat/1.jpg': 'x', 'dog/1.jpg': 'x' })],
    ['folder', "class folders of ImageNet's ids without validation", () => ({ [`train/${id}/1.JPEG`]: 'x' })],
    ['imagenet', 'the archives of image-net.org', smallImagenet],
    ['imagenet', "torchvision's folders", () => ({ [`train/${id}/1.JPEG`]: 'x', [`val/${id}/1.JPEG`]: 'x' })],
    [
      'imagenet',
      "Kaggle's folders",
      () => ({ [`ILSVRC/Data/CLS-LOC/train/${id}/1.JPEG`]: 'x', 'ILSVRC/Data/CLS-LOC/val/1.JPEG': 'x' }),
    ],
    ['imagenet', "the Hugging Face's archives", () => ({ 'data/val_images.tar.gz': 'x' })],
    ['imagenet', 'a zip archive in a folder', async () => ({ 'a.zip': await zipOf({ 'x/y': 'z' }), 'LOC.csv': '' })],
    ['imagenet', 'an archive of its folders', async () => ({ 'a.tgz': gzipSync(await tarOf({ [`x/${id}/1`]: 'x' })) })],
    ['webdataset', 'shards', async () => ({ '0.tar': await tarOf(samples), '1.tar': await tarOf(samples) })],
    ['webdataset', 'one shard', async () => ({ '0.tar': await tarOf(samples) })],
    ['webdataset', 'shards in folders', async () => ({ 'train/0.tar': await tarOf(samples) })],
    ['cifar10', 'files of CIFAR-10', () => ({ 'data_batch_1.bin': '' })],
    ['cifar100', 'files of CIFAR-100', () => ({ 'train.bin': '', 'test.bin': '' })],
    ['cifar10', 'their archive', async () => ({ 'x.tar.gz': gzipSync(await tarOf({ 'c/test_batch.bin': 'x' })) })],
    ['mnist', 'digits', () => mnist('5041921314', '7210414959')],
    ['fashion-mnist', 'clothes', () => mnist('9003027255', '9211614657')],
  ])('%s: %s', async (kind, _, files) => {
    expect(await sourceKindOf(await folderOf(await files()))).toBe(kind);
  });

  test.each<[string, string, () => Promise<Buffer>]>([
    ['imagenet', 'a.zip', () => zipOf({ 'x/y': 'z' })],
    ['imagenet', 'a.tar', () => tarOf({ [`imagenette/train/${id}/1.JPEG`]: 'x' })],
    ['cifar100', 'a', async () => gzipSync(await tarOf({ 'cifar-100-binary/fine_label_names.txt': 'x' }))],
    ['cifar10', 'a.tar.gz', async () => gzipSync(await tarOf({ 'cifar-10-batches-py/data_batch_1': 'x' }))],
    ['webdataset', 'a.tar', () => tarOf(samples)],
  ])('%s: a file %s', async (kind, name, content) => {
    expect(await sourceKindOf(join(await folderOf({ [name]: await content() }), name))).toBe(kind);
  });

  test('a pattern means shards, and the word emoji means the emoji', async () => {
    expect(await sourceKindOf('shards/train-{000..099}.tar')).toBe('webdataset');
    expect(await sourceKindOf('emoji')).toBe('emoji');
  });
});

describe('unknown data', () => {
  test.each<[string, Files, string, string]>([
    ['a page', { 'images.zip': '<html>' }, 'images.zip', 'contains no images to prepare: it is a web page'],
    ['a pointer', { 'a.tar': 'version https://git-lfs.github.com/spec/v1\n' }, 'a.tar', 'it is a Git LFS pointer'],
    ['one image', { 'a.png': Buffer.from('89504e470d0a1a0a', 'hex') }, 'a.png', 'it is an image'],
    [
      'a folder of shards that have to be unpacked',
      { 'x/0.tar.zst': '', 'x/1.tar.zst': '' },
      'x',
      'contains 0.tar.zst: unpack',
    ],
    ['an empty archive', { 'a.zip': Buffer.from('504b0506', 'hex') }, 'a.zip', 'it is an empty zip archive'],
    ['nothing', {}, 'gone', 'there is no file or folder'],
  ])('%s', async (_, files, name, message) => {
    const kind = sourceKindOf(join(await folderOf(files), name));
    await expect(kind).rejects.toThrow(DataError);
    await expect(kind).rejects.toThrow(message);
  });

  test('a broken link, an address, and data that are already prepared', async () => {
    const folder = await folderOf({ 'prepared/dataset.json': '{}' });
    await symlink('nowhere', join(folder, 'link'));
    await expect(sourceKindOf(join(folder, 'link'))).rejects.toThrow('link is a link that leads nowhere');
    await expect(sourceKindOf('https://example.org/{0..9}.tar')).rejects.toThrow('data are read from the disk');
    await expect(sourceKindOf(join(folder, 'prepared'))).rejects.toThrow(ConfigError);
    await expect(sourceKindOf(join(folder, 'prepared'))).rejects.toThrow('is already prepared');
  });

  test('neither a kind nor a location', async () => {
    await expect(sourceOf(undefined, undefined)).rejects.toThrow('source and from are missing');
    expect(await sourceOf('cifar10', undefined)).toBe('cifar10');
  });
});
