import { closeSync, openSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { DataError } from '@alex/tensor';
import { checkOptions } from '@alex/tensor/kernels';
import { checkPath, checkWhole } from '../checks.js';
import type { Dataset, Split } from '../dataset.js';
import { reason } from '../files.js';
import { memberNameAt } from '../prepare/tar.js';
import { checkIndex, defaultCacheBytes, type ImageMemory } from '../split.js';
import { hasChecksum } from './checksum.js';
import { Decoder } from './decoder.js';
import { decodeIndex, type ImageIndex } from './index-file.js';
import { readManifest, type SplitManifest } from './manifest.js';
import { decodeNpy } from './npy.js';

export interface PreparedOptions {
  /** Images to decode in parallel. Default: the number of cores. Results do not depend on it. */
  workers?: number | undefined;
  /** Memory for decoded images, in bytes. Default: 1 GiB, which is 5,461 images of 256 x 256. */
  cacheBytes?: number | undefined;
}

/**
 * Opens a data set created by `prepareDataset`. Images are located by the index and decoded outside the main thread,
 * which gets whole batches without copying. Several batches may be requested at once.
 *
 * @throws DataError if the folder is not prepared, not finished, of a newer version, or one of its files is missing or
 * damaged; ConfigError if an option is unknown or invalid. The bytes of an image are verified when it is read; an error names it and its shard.
 */
export async function openPrepared(directory: string, options: PreparedOptions = {}): Promise<Dataset> {
  checkPath('openPrepared', directory);
  checkOptions('openPrepared', options, ['workers', 'cacheBytes']);
  const { workers = availableParallelism(), cacheBytes = defaultCacheBytes } = options;
  checkWhole('workers', workers, 1, 1024);
  checkWhole('cacheBytes', cacheBytes, 0);
  const { name, classes, numbers, preprocessing, splits, statistics, licences } = await readManifest(directory);
  const { size, channels } = preprocessing;
  const { meanImage: meanImageFile, mean, covariance, axes, standardDeviations } = statistics;
  const memory: ImageMemory = { bytesLeft: cacheBytes };
  const decoder = new Decoder(size, channels, workers);
  const open = async (split: string, manifest: SplitManifest) => {
    const index = decodeIndex(
      join(directory, manifest.index.file),
      await readChecked(directory, manifest.index),
      manifest.shards,
      classes.length,
    );
    await checkShards(directory, manifest);
    return preparedSplit(`${name}, ${split}`, directory, manifest, index, decoder, memory);
  };
  const meanFile = join(directory, meanImageFile.file);
  return {
    name,
    classes: classes.map((known) => known.name),
    ...(numbers && { numbers }),
    channels,
    height: size,
    width: size,
    train: await open('training', splits.train),
    validation: await open('validation', splits.validation),
    statistics: {
      colour: {
        mean,
        covariance,
        axes,
        standardDeviations,
        eigenvalues: standardDeviations.map((deviation) => deviation ** 2),
      },
      meanImage: decodeNpy(meanFile, await readChecked(directory, meanImageFile), [channels, size, size]),
    },
    ...(licences && { licences }),
  };
}

function preparedSplit(
  name: string,
  directory: string,
  { shards, index: { sha256 } }: SplitManifest,
  { offsets, lengths, labels, checksums }: ImageIndex,
  decoder: Decoder,
  memory: ImageMemory,
): Split {
  const { size, channels, imageBytes } = decoder;
  const kept = new Map<number, Uint8Array>();
  const files = shards.map(({ file }) => join(directory, file));
  const shardOf = Uint32Array.from(shards.flatMap(({ images }, shard) => new Array<number>(images).fill(shard)));
  const fileOf = (i: number) => files[shardOf[i]!]!;

  const decode = async (wanted: readonly number[]): Promise<Uint8Array> => {
    const decoded = await decoder.decode(
      wanted.map((i) => ({ file: fileOf(i), offset: offsets[i]!, length: lengths[i]!, checksum: checksums[i]! })),
    );
    if (decoded instanceof Uint8Array) return decoded;
    const i = wanted[decoded.failed]!;
    throw new DataError(
      `${imageName(i)} (image ${i} of ${name}, in ${fileOf(i)}) cannot be read: ${decoded.reason}; prepare the data again`,
    );
  };

  /** The name of the image within its shard, from the header before it. */
  function imageName(i: number): string {
    const shard = shards[shardOf[checkIndex(name, labels.length, i)]!]!.file;
    try {
      const descriptor = openSync(fileOf(i), 'r');
      try {
        return `${shard}/${memberNameAt(fileOf(i), descriptor, offsets[i]!)}`;
      } finally {
        closeSync(descriptor);
      }
    } catch {
      return `${shard}#${i}`;
    }
  }

  return {
    length: labels.length,
    labels,
    imageName,
    // The index holds a checksum of each image.
    contentHash: async () => sha256,
    async read(indices) {
      const wanted = Array.from(indices, (i) => checkIndex(name, labels.length, i));
      const missing = [...new Set(wanted.filter((i) => !kept.has(i)))];
      const decoded = missing.length > 0 ? await decode(missing) : new Uint8Array();
      const imageAt = (position: number) => decoded.subarray(position * imageBytes, (position + 1) * imageBytes);
      let pixels = decoded;
      if (missing.length < wanted.length) {
        const positions = new Map(missing.map((i, position) => [i, position]));
        pixels = new Uint8Array(wanted.length * imageBytes);
        for (const [at, i] of wanted.entries()) {
          pixels.set(kept.get(i) ?? imageAt(positions.get(i)!), at * imageBytes);
        }
      }
      for (const [position, i] of missing.entries()) {
        if (memory.bytesLeft < imageBytes) break;
        if (kept.has(i)) continue;
        memory.bytesLeft -= imageBytes;
        kept.set(i, imageAt(position).slice());
      }
      return {
        count: wanted.length,
        height: size,
        width: size,
        channels,
        pixels,
        labels: Uint32Array.from(wanted, (i) => labels[i]!),
      };
    },
  };
}

async function readChecked(
  directory: string,
  file: { readonly file: string; readonly bytes: number; readonly sha256: string },
): Promise<Buffer> {
  const path = join(directory, file.file);
  if (await hasChecksum(path, file)) return readFile(path);
  throw new DataError(`${path} is missing or damaged: prepare the data again`);
}

/** Sizes are checked quickly; contents are verified image by image, or as a whole by `verifyPrepared`. */
async function checkShards(directory: string, { shards }: SplitManifest): Promise<void> {
  for (const { file, bytes } of shards) {
    const path = join(directory, file);
    try {
      const { size } = await stat(path);
      if (size === bytes) continue;
      throw new DataError(`${path} has ${size} bytes, but was prepared with ${bytes}: prepare the data again`);
    } catch (error) {
      if (error instanceof DataError) throw error;
      throw new DataError(`cannot read ${path} (${reason(error)}): prepare the data again`, { cause: error });
    }
  }
}
