import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset, Split } from '../dataset.js';
import { makeFolder, writeError } from '../files.js';
import { checkFreeSpace } from '../free-space.js';
import { prefetch } from '../prefetch.js';
import type { ImageSource, SourceImage } from './source.js';

const imagesAtATime = 256;

/**
 * A data set that is small enough to be opened as a whole: its pixels are written once, for the processes that create
 * shards to read.
 *
 * @param folder where to write them
 */
export async function datasetSource(
  dataset: Dataset,
  { kind, from }: Pick<ImageSource, 'kind' | 'from'>,
  folder: string,
): Promise<ImageSource> {
  const { name, classes, channels, height } = dataset;
  await makeFolder(folder);
  const images = dataset.train.length + dataset.validation.length;
  await checkFreeSpace(folder, images * channels * height * dataset.width, `Preparing ${name}`);
  const [train, validation] = [
    await writePixels(dataset.train, join(folder, 'train.pixels')),
    await writePixels(dataset.validation, join(folder, 'validation.pixels')),
  ];
  return {
    kind,
    name,
    from,
    digest: `${train.digest} ${validation.digest}`,
    classes: classes.map((name) => ({ id: name, name })),
    channels: channels === 1 ? 1 : 3,
    bytes: 'pixels',
    size: height,
    lossless: true,
    train: train.images,
    validation: validation.images,
    ...(dataset.licences && { licences: dataset.licences }),
    ...(dataset.remarks && { remarks: dataset.remarks }),
  };
}

async function writePixels(split: Split, path: string): Promise<{ images: SourceImage[]; digest: string }> {
  const hash = createHash('sha256');
  const images: SourceImage[] = [];
  let offset = 0;
  async function* parts() {
    for (let first = 0; first < split.length; first += imagesAtATime) {
      const count = Math.min(imagesAtATime, split.length - first);
      yield { first, ...(await split.read(Array.from({ length: count }, (_, i) => first + i))) };
    }
  }
  try {
    const file = await open(path, 'w');
    try {
      for await (const { first, count, pixels } of prefetch(parts())) {
        hash.update(pixels);
        await file.writeFile(pixels);
        const length = pixels.length / count;
        for (let i = first; i < first + count; i++, offset += length) {
          images.push({ name: split.imageName(i), label: split.labels[i]!, file: path, offset, length });
        }
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw writeError(path, error);
  }
  return { images, digest: hash.digest('hex') };
}
