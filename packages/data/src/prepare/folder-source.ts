import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { readClassNames } from '../class-names.js';
import { type ImageFile, listImageFolder } from '../image-folder-list.js';
import { forEachLimited } from '../split.js';
import type { ImageSource, SourceImage } from './source.js';

const filesAtATime = 16;

/**
 * A folder of class folders, as read by `openImageFolder`.
 *
 * @throws DataError if it is not such a folder.
 */
export async function folderSource(directory: string): Promise<ImageSource> {
  const { folders, train, validation, remarks } = await listImageFolder(directory);
  const { names, remarks: ofNames } = await readClassNames(directory, folders);
  const all = [...remarks, ...ofNames];
  return {
    kind: 'folder',
    name: basename(resolve(directory)),
    from: [basename(resolve(directory))],
    classes: folders.map((id, label) => ({ id, name: names[label]! })),
    channels: 3,
    bytes: 'file',
    lossless: false,
    train: await withSizes(directory, train),
    validation: await withSizes(directory, validation),
    ...(all.length > 0 && { remarks: all }),
  };
}

async function withSizes(directory: string, files: readonly ImageFile[]): Promise<SourceImage[]> {
  const images: SourceImage[] = new Array(files.length);
  await forEachLimited(files.length, filesAtATime, async (i) => {
    const { path, label } = files[i]!;
    const file = join(directory, path);
    // A missing image is rejected when it is read, like any other unusable one.
    const length = await stat(file).then(
      ({ size }) => size,
      () => 0,
    );
    images[i] = { name: path, label, file, offset: 0, length };
  });
  return images;
}
