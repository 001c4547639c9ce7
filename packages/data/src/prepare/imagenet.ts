import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '@alex/tensor';
import { listFolder } from '../files.js';
import { folderTree, type ImageTree } from './image-tree.js';
import { areImagenetArchives, imagenetArchives } from './imagenet-archives.js';
import { findImagenetFolders, imagenetFolders } from './imagenet-folders.js';
import { areHubArchives, imagenetHub } from './imagenet-hub.js';
import type { ImageSource, SourceContext } from './source.js';
import { isZip, zipTree } from './zip-tree.js';

const accepted =
  'give a folder with ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and the development kit; ' +
  "Kaggle's imagenet-object-localization-challenge.zip or the folder it unpacks to; " +
  'train/ and val/ with a folder for each class (n01440764); ' +
  "Hugging Face's train_images_0.tar.gz to train_images_4.tar.gz and val_images.tar.gz; or Tiny ImageNet";

/**
 * ImageNet in any available form, detected from the contents: the archives of image-net.org, Kaggle's folders or zip
 * archive, torchvision's folders, Hugging Face's archives, or Tiny ImageNet. Classes are numbered in order of their
 * WordNet ids. The first remark says what was found.
 *
 * @param from a folder, or a zip archive
 * @throws DataError if there is none of these, or a part is missing, damaged, or disagrees with the others.
 */
export async function imagenetSource(from: string, context: SourceContext): Promise<ImageSource> {
  if ((await stat(from).catch(() => undefined))?.isFile()) {
    if (await isZip(from)) return inTree(await zipTree(from));
    throw new DataError(`${from} is neither a folder nor a zip archive: ${accepted}`);
  }
  const { files, folders } = await listFolder(from);
  if (areImagenetArchives(files)) return imagenetArchives(from);
  for (const folder of [from, ...(folders.includes('data') ? [join(from, 'data')] : [])]) {
    const content = await listFolder(folder);
    if (areHubArchives(content.files)) return imagenetHub(folder, content.files, context);
    if (content.files.some((file) => file.endsWith('.parquet'))) {
      throw new DataError(
        `${folder} contains Parquet files, which are not supported: get train_images_0.tar.gz to train_images_4.tar.gz and val_images.tar.gz from data/ of the same data set`,
      );
    }
  }
  const tree = folderTree(from);
  if ((await findImagenetFolders(tree)).length > 0) return inTree(tree);
  const zips = files.filter((file) => file.endsWith('.zip'));
  if (zips.length === 1) return inTree(await zipTree(join(from, zips[0]!)));
  return inTree(tree);
}

async function inTree(tree: ImageTree): Promise<ImageSource> {
  const roots = await findImagenetFolders(tree);
  if (roots.length === 1) return imagenetFolders(tree, roots[0]!);
  if (roots.length > 1) {
    const named = roots.map((root) => (root === '' ? 'train/' : `${root}/train/`));
    throw new DataError(`${tree.name} contains ${named.join(' and ')}: give the folder of one of them`);
  }
  throw new DataError(`${tree.name} contains no known form of ImageNet: ${accepted}`);
}
