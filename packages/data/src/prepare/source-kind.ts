import { stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ConfigError, DataError } from '@alex/tensor';
import { extract } from 'tar-stream';
import { cifar10, cifar100, cifarFiles, cifarVersionOf } from '../cifar.js';
import { contentKindOf, gzipped, inWords, tarArchive, zipArchive } from '../content-kind.js';
import { deadLink, errorCode, filesAndLinks, isAddress, listFolder, missing, readError } from '../files.js';
import { areMnistFiles, openMnist } from '../mnist.js';
import { manifestFile } from '../prepared/manifest.js';
import { validationNames } from '../split-folders.js';
import { isKit } from './development-kit.js';
import { folderTree } from './image-tree.js';
import { findImagenetArchives } from './imagenet-archives.js';
import { findImagenetFolders } from './imagenet-folders.js';
import { areHubArchives } from './imagenet-hub.js';
import { headOf, readingStreams } from './plain-archive.js';
import { type SourceKind, sourceKinds } from './source.js';
import { shardName } from './webdataset-shards.js';

/** Names of archives that may contain a whole data set. */
const isArchive = /\.(zip|tar|tar\.gz|tgz)$/i;
/** Archives that have to be unpacked first. */
const otherwisePacked = /\.(tar\.\w+|t[bxz]z2?|tzst|7z|rar)$/i;
/** The number of names in an archive that is enough to detect its contents. */
const namesToTell = 50;

/**
 * Detects the kind of data from the contents of a folder, an archive or a pattern of shards, or from the word `emoji`.
 *
 * @throws ConfigError if it is already prepared; DataError if it is missing or of no known kind.
 */
export async function sourceKindOf(from: string): Promise<SourceKind> {
  const kind = await stat(from).catch((error: unknown) => {
    if (from === 'emoji') return 'emoji' as const;
    if (from.includes('{') && !isAddress(from)) return 'webdataset' as const;
    if (deadLink(from, error) || errorCode(error) !== 'ENOENT') throw readError(from, error);
    throw missing('file or folder', from, error);
  });
  if (typeof kind === 'string') return kind;
  return kind.isDirectory() ? kindOfFolder(from) : kindOfFile(from);
}

async function kindOfFolder(folder: string): Promise<SourceKind> {
  const content = await listFolder(folder);
  const files = filesAndLinks(content);
  if (files.includes(manifestFile)) {
    throw new ConfigError(`${folder} is already prepared: train on it, or give the data that it was prepared from`);
  }
  const cifar = cifarVersionOf(files);
  if (cifar) return cifar === cifar10 ? 'cifar10' : 'cifar100';
  if (areMnistFiles(files)) return (await openMnist(folder)).name === 'Fashion-MNIST' ? 'fashion-mnist' : 'mnist';
  if (await isImagenet(folder, files, content.folders)) return 'imagenet';
  const packed = files.filter((file) => isArchive.test(file) && !isKit(file));
  if (packed.length === 1) return kindOfFile(join(folder, packed[0]!));
  if (files.some((file) => shardName.test(file))) return 'webdataset';
  const compressed = files.find((file) => otherwisePacked.test(file));
  if (compressed !== undefined && content.folders.length === 0) {
    throw new DataError(
      `${folder} contains ${compressed}: unpack such archives; those that end in .tar, .tar.gz, .tgz or .zip are read as they are`,
    );
  }
  for (const inner of content.folders) {
    if (filesAndLinks(await listFolder(join(folder, inner))).some((file) => shardName.test(file))) return 'webdataset';
  }
  return 'folder';
}

async function isImagenet(folder: string, files: readonly string[], folders: readonly string[]): Promise<boolean> {
  if (await findImagenetArchives(folder, files)) return true;
  const data = folders.includes('data') ? filesAndLinks(await listFolder(join(folder, 'data'))) : [];
  if (areHubArchives([...files, ...data])) return true;
  const tree = folderTree(folder);
  for (const root of await findImagenetFolders(tree)) {
    // Without validation images, it is an ordinary folder, and some images are held out.
    const { folders: beside = [] } = (await tree.list(root)) ?? {};
    if (beside.some((name) => validationNames.includes(name.toLowerCase()))) return true;
  }
  return false;
}

async function kindOfFile(file: string): Promise<SourceKind> {
  const head = await headOf(file);
  const kind = contentKindOf(head);
  if (kind?.is === zipArchive) return 'imagenet';
  if (kind && ![tarArchive, gzipped].includes(kind.is)) {
    throw new DataError(`${file} contains no images to prepare: ${inWords(head, '')}`);
  }
  const names = await firstNames(file);
  const own = names.map((name) => posix.basename(name));
  const isOf = (known: readonly string[]) => own.some((name) => known.includes(name));
  const pickled = /(^|\/)cifar-(10|100)-(batches-py|python)\//.exec(names.join('\n'))?.[2];
  if (isOf(cifarFiles(cifar10)) || pickled === '10') return 'cifar10';
  if (isOf(cifarFiles(cifar100)) || pickled === '100') return 'cifar100';
  return names.some((name) => /(^|\/)(n\d{8}|ILSVRC)\//.test(name)) ? 'imagenet' : 'webdataset';
}

async function firstNames(archive: string): Promise<string[]> {
  const names: string[] = [];
  const unpacked = extract();
  const reading = pipeline([...(await readingStreams(archive)), unpacked]);
  // A defect of the archive is reported when it is read as a whole.
  reading.catch(() => {});
  try {
    for await (const entry of unpacked) {
      names.push(entry.header.name);
      entry.resume();
      if (names.length >= namesToTell) break;
    }
  } catch {
    // As far as it can be read.
  }
  return names;
}

/**
 * The kind of data to prepare if none is given.
 *
 * @throws ConfigError if no location is given either; otherwise as `sourceKindOf`.
 */
export async function sourceOf(source: SourceKind | undefined, from: string | undefined): Promise<SourceKind> {
  if (source !== undefined) return source;
  if (from !== undefined) return sourceKindOf(from);
  throw new ConfigError(
    `source and from are missing: give the location of the data, or one of ${sourceKinds.join(', ')}`,
  );
}
