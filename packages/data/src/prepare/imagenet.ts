import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '@alex/tensor';
import { contentKindOf, gzipped, inWords, tarArchive, zipArchive } from '../content-kind.js';
import { filesAndLinks, listFolder } from '../files.js';
import { isKit } from './development-kit.js';
import { folderTree, type ImageTree } from './image-tree.js';
import { findImagenetArchives, imagenetArchives } from './imagenet-archives.js';
import { findImagenetFolders, imagenetFolders } from './imagenet-folders.js';
import { areHubArchives, imagenetHub } from './imagenet-hub.js';
import { headOf } from './plain-archive.js';
import type { ImageSource, SourceContext } from './source.js';
import { tarTree } from './tar-tree.js';
import { zipTree } from './zip-tree.js';

const accepted =
  'give a folder with ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and the development kit; ' +
  "Kaggle's imagenet-object-localization-challenge.zip or the folder it unpacks to; " +
  'train/ and val/ with a folder for each class (n01440764); ' +
  "Hugging Face's train_images_0.tar.gz to train_images_4.tar.gz and val_images.tar.gz; or Tiny ImageNet";

/**
 * ImageNet in any available form, detected from the contents: the archives of image-net.org, Kaggle's folders or
 * archive, torchvision's folders, Hugging Face's archives, or Tiny ImageNet. Classes are numbered in the order
 * of their WordNet ids. The first remark says what was found.
 *
 * @param from a folder, or a zip or tar archive of one
 * @throws DataError if there is no ImageNet, or a part is missing, damaged, or disagrees with the others.
 */
export async function imagenetSource(from: string, context: SourceContext): Promise<ImageSource> {
  if ((await stat(from).catch(() => undefined))?.isFile()) return inArchive(await archiveTree(from, context));
  const top = await listFolder(from);
  const [files, { folders }] = [filesAndLinks(top), top];
  const archives = await findImagenetArchives(from, files);
  if (archives) return imagenetArchives(from, archives);
  for (const folder of [from, ...(folders.includes('data') ? [join(from, 'data')] : [])]) {
    const content = filesAndLinks(await listFolder(folder));
    if (areHubArchives(content)) return imagenetHub(folder, content, context);
    if (content.some((file) => file.endsWith('.parquet'))) {
      throw new DataError(
        `${folder} contains Parquet files, which are not supported: get train_images_0.tar.gz to train_images_4.tar.gz and val_images.tar.gz from data/ of the same data set`,
      );
    }
  }
  const tree = folderTree(from);
  if ((await findImagenetFolders(tree)).length > 0) return inTree(tree);
  const packed = files.filter((file) => /\.(zip|tar|tar\.gz|tgz)$/i.test(file) && !isKit(file));
  if (packed.length === 1) return inArchive(await archiveTree(join(from, packed[0]!), context));
  return inTree(tree);
}

/** The tree within an archive, whose format is detected from its first bytes. */
async function archiveTree(file: string, context: SourceContext): Promise<ImageTree> {
  const head = await headOf(file);
  const kind = contentKindOf(head);
  if (kind?.is === zipArchive) return zipTree(file);
  if (kind === undefined || [tarArchive, gzipped].includes(kind.is)) return tarTree(file, context);
  throw new DataError(`${file}: ${inWords(head, '')}; ${accepted}`);
}

/** An archive may hold images of another kind, which are read from folders only. */
const inArchive = (tree: ImageTree) => inTree(tree, 'unpack other images, and give their folder; of ImageNet, ');

async function inTree(tree: ImageTree, first = ''): Promise<ImageSource> {
  const roots = await findImagenetFolders(tree);
  if (roots.length === 1) return imagenetFolders(tree, roots[0]!);
  if (roots.length > 1) {
    const named = roots.map((root) => (root === '' ? 'train/' : `${root}/train/`));
    throw new DataError(`${tree.name} contains ${named.join(' and ')}: give the folder of one of them`);
  }
  throw new DataError(`${tree.name} contains no known form of ImageNet: ${first}${accepted}`);
}
