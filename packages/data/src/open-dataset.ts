import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, DataError } from '@alex/tensor';
import { checkOptions } from '@alex/tensor/kernels';
import { cifarVersionOf, readCifar } from './cifar.js';
import type { Dataset } from './dataset.js';
import { openEmoji } from './emoji/emoji.js';
import { type FolderContent, filesAndLinks, listFolder } from './files.js';
import { type ImageFolderOptions, openImageFolder } from './image-folder.js';
import { adviceOnFile, adviceOnFolder } from './misplaced-data.js';
import { areMnistFiles, openMnist } from './mnist.js';
import { manifestFile, workshopFolder } from './prepared/manifest.js';
import { openPrepared } from './prepared/open-prepared.js';

export interface DatasetOptions
  extends Pick<ImageFolderOptions, 'checked' | 'maxRejected' | 'checksFolder' | 'signal' | 'onCheck'> {
  /** The number of classes; only for emoji. */
  classes?: number | undefined;
  /** Height and width of the images in pixels; only for emoji and image folders. Default: 256. */
  size?: number | undefined;
}

const accepted =
  'give `emoji`, `emoji:CLASSES`, a folder that was prepared, one with the binary files of CIFAR-10 or CIFAR-100, one with the files of MNIST or Fashion-MNIST, or one with a folder of images for each class';

/**
 * Opens the data set that the user named: `emoji`, `emoji:CLASSES`, or a folder, whose kind is detected from its
 * contents (prepared shards, the files of CIFAR-10, CIFAR-100, MNIST or Fashion-MNIST, else class folders of images). A
 * folder called `emoji` is `./emoji`.
 *
 * @throws DataError if there is nothing of that kind, or it is broken.
 * @throws ConfigError if an option is unknown or invalid, or the data do not support it.
 */
export async function openDataset(text: string, options: DatasetOptions = {}): Promise<Dataset> {
  if (typeof text !== 'string') throw new ConfigError(`openDataset: ${accepted}; got ${String(text)}`);
  checkOptions('openDataset', options, [
    'checked',
    'maxRejected',
    'checksFolder',
    'signal',
    'onCheck',
    'classes',
    'size',
  ]);
  const emoji = /^emoji(?::(.*))?$/.exec(text);
  if (emoji) {
    checkNothingRejected('emoji', options);
    const { size } = options;
    return openEmoji({ classes: emojiClasses(text, emoji[1], options.classes), size });
  }

  const content = await lookInto(text);
  const files = filesAndLinks(content);
  if (files.includes(manifestFile)) return fixed(await openPrepared(text), options);
  const cifar = cifarVersionOf(files);
  if (cifar) return fixed(await readCifar(text, cifar), options);
  if (areMnistFiles(files)) return fixed(await openMnist(text), options);
  if (existsSync(join(text, workshopFolder))) {
    throw new DataError(`${text} was not completely prepared: run the same prepare command again, and it continues`);
  }
  if (content.folders.length === 0) {
    const archive = files.find((file) => /\.(tar|tar\.gz|tgz|zip)$/i.test(file));
    if (archive !== undefined) {
      throw new DataError(
        `${text} contains archives (${archive}): prepare them first, with prepare --from, or unpack them`,
      );
    }
    const found =
      content.files.length === 0
        ? 'nothing'
        : `${content.files.slice(0, 3).join(', ')}${content.files.length > 3 ? ', …' : ''}`;
    throw new DataError(`${text} contains ${found}, but no supported data: ${accepted}`);
  }
  const advice = await adviceOnFolder(text, content);
  if (advice !== undefined) throw new DataError(advice);
  const { classes, ...ofFolder } = options;
  const dataset = await openImageFolder(text, ofFolder);
  return fixed(dataset, { classes });
}

/** Of images that were prepared, or that come in one file, none can be skipped. */
function checkNothingRejected(name: string, { maxRejected }: DatasetOptions): void {
  if (maxRejected === undefined) return;
  throw new ConfigError(
    `maxRejected is ${maxRejected}, but ${name} has no image files that could be unusable: omit the option`,
  );
}

function emojiClasses(text: string, count: string | undefined, option: number | undefined): number | undefined {
  if (count === undefined) return option;
  if (!/^\d+$/.test(count))
    throw new ConfigError(`${text}: \`${count}\` is not a number of classes; give for example emoji:24`);
  if (option !== undefined && option !== Number(count)) {
    throw new ConfigError(
      `${text} asks for ${count} classes, but the option classes for ${option}: give only one of them`,
    );
  }
  return Number(count);
}

async function lookInto(text: string): Promise<FolderContent> {
  try {
    return await listFolder(text);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError((await adviceOnFile(text, accepted)) ?? `${error.message}; ${accepted}`, { cause: error });
  }
}

/** Properties that the files determine cannot be requested differently. */
function fixed(dataset: Dataset, options: DatasetOptions): Dataset {
  const { classes, size } = options;
  checkNothingRejected(dataset.name, options);
  if (classes !== undefined && classes !== dataset.classes.length) {
    throw new ConfigError(
      `classes is ${classes}, but ${dataset.name} has ${dataset.classes.length} classes: omit the option`,
    );
  }
  if (size !== undefined && size !== dataset.height) {
    throw new ConfigError(
      `size is ${size}, but ${dataset.name} has images of ${dataset.height} x ${dataset.width}: omit the option`,
    );
  }
  return dataset;
}
