import { basename, join, resolve } from 'node:path';
import { DataError } from '@alex/tensor';
import { folderTree } from './image-tree.js';
import { missingOfImagenet } from './imagenet-folders.js';
import { nameClasses } from './imagenet-names.js';
import { plainArchives } from './plain-archive.js';
import type { ImageSource, SourceContext, SourceImage } from './source.js';
import { tarMembers, withFile } from './tar.js';

const archiveName = /^(train_images_\d+|val_images|test_images)\.(tar|tar\.gz|tgz)$/;
const archiveCount = 5;

/** Whether files are Hugging Face's archives of ImageNet. */
export const areHubArchives = (files: readonly string[]) =>
  files.some((file) => archiveName.test(file) && !file.startsWith('test'));

/**
 * ImageNet from Hugging Face: `train_images_0.tar.gz` to `train_images_4.tar.gz` and `val_images.tar.gz`, in which an
 * image's name ends with the id of its class. Compressed archives are unpacked first.
 *
 * @param folder the folder of the archives
 * @throws DataError if an archive is missing or damaged, or contains other names.
 */
export async function imagenetHub(
  folder: string,
  files: readonly string[],
  context: SourceContext,
): Promise<ImageSource> {
  const find = (name: string): string => {
    // An archive that is already unpacked saves the time.
    const file = [`${name}.tar`, `${name}.tar.gz`, `${name}.tgz`].find((file) => files.includes(file));
    if (file !== undefined) return file;
    throw new DataError(`${folder} has no ${name}.tar.gz: get it from data/ of Hugging Face's data set imagenet-1k`);
  };
  const trainFiles = Array.from({ length: archiveCount }, (_, i) => find(`train_images_${i}`));
  const validationFiles = [find('val_images')];
  const archives = [...trainFiles, ...validationFiles].map((file) => join(folder, file));
  const plain = await plainArchives(archives, context);
  const train = trainFiles.flatMap((_, i) => list(archives[i]!, plain[i]!));
  const validation = list(archives.at(-1)!, plain.at(-1)!);
  const ids = [...new Set(train.map(({ id }) => id))].sort();
  const labels = new Map(ids.map((id, label) => [id, label]));
  const labelled = (images: readonly Listed[]): SourceImage[] =>
    images.map(({ id, ...image }) => {
      const label = labels.get(id);
      if (label !== undefined) return { ...image, label };
      throw new DataError(
        `${folder}: ${image.name} of ${validationFiles[0]} is of the class ${id}, which the training archives lack: get them again`,
      );
    });
  const { classes, remarks } = await nameClasses(folderTree(folder), { folders: ['', '..'] }, ids);
  const unused = files.filter((file) => archiveName.test(file) && ![...trainFiles, ...validationFiles].includes(file));
  const count = (value: number) => value.toLocaleString('en-US');
  return {
    kind: 'imagenet',
    name: 'ImageNet (ILSVRC 2012)',
    from: [...trainFiles, ...validationFiles],
    classes,
    channels: 3,
    bytes: 'file',
    lossless: false,
    train: labelled(train.sort((a, b) => order(a.id, b.id) || order(a.name, b.name))),
    validation: labelled(validation.sort((a, b) => order(a.name, b.name))),
    remarks: [
      `Found Hugging Face's archives of ImageNet in ${basename(resolve(folder))}/: ${count(ids.length)} classes, ${count(train.length)} training images and ${count(validation.length)} validation images.`,
      ...missingOfImagenet(ids.length, train.length, validation.length),
      ...(unused.length > 0 ? [`Skipped: ${unused.join(', ')}.`] : []),
      ...remarks,
    ],
  };
}

type Listed = Omit<SourceImage, 'label'> & { readonly id: string };

/**
 * The images of an archive.
 *
 * @param plain the path of the unpacked archive
 */
function list(archive: string, plain: string): Listed[] {
  const images: Listed[] = [];
  withFile(plain, (bytes) => {
    for (const { name, offset, length } of tarMembers({ ...bytes, name: archive })) {
      // macOS creates files named ._NAME.
      if (basename(name).startsWith('.')) continue;
      const id = /_(n\d{8})\.jpe?g$/i.exec(name)?.[1];
      if (id === undefined) {
        throw new DataError(
          `${archive}: ${name} does not end with the id of its class (_n01440764.JPEG): get it again`,
        );
      }
      images.push({ name: basename(name), id, file: plain, offset, length });
    }
  });
  return images;
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
