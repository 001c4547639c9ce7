import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '@alex/tensor';
import sharp from 'sharp';
import { syncFolder, writeWhole } from '../files.js';
import { encodeIndex } from '../prepared/index-file.js';
import { type Manifest, manifestFile, manifestVersion, type SplitManifest } from '../prepared/manifest.js';
import { encodeNpy } from '../prepared/npy.js';
import { type Rejected, rejectedFile, writeRejected } from '../rejected.js';
import { type ColourTotals, statisticsOf } from '../statistics.js';
import { readShardRecord, type ShardFormat, type ShardRecord } from './shard.js';
import type { ShardTask } from './shard-processes.js';
import type { ImageSource } from './source.js';
import { digestOfChecksums } from './source-content.js';

export const splitNames = ['train', 'validation'] as const;
export type SplitName = (typeof splitNames)[number];

/** The shards of every split, in order. */
export type Jobs = Readonly<Record<SplitName, readonly ShardTask[]>>;

/** What the bytes of an image depend on, besides the source and the options. */
export const tools = Object.fromEntries(
  ['sharp', 'vips', 'mozjpeg', 'png', 'spng'].flatMap((tool) => {
    const version = (sharp.versions as Readonly<Record<string, string | undefined>>)[tool];
    return version === undefined ? [] : [[tool, version] as const];
  }),
);

/** The images that finished shards had to skip. */
export async function rejectedImages(workshop: string, jobs: Jobs): Promise<Rejected[]> {
  const rejected: Rejected[] = [];
  for (const split of splitNames) {
    for (const { shard } of jobs[split]) {
      rejected.push(...rejectedOf(split, (await readShardRecord(workshop, shard))?.rejected ?? []));
    }
  }
  return rejected;
}

function rejectedOf(split: SplitName, rejected: ShardRecord['rejected']): Rejected[] {
  return rejected.map(({ image, reason }) => ({ split, image, reason }));
}

/** Combines the shards' records into indices, statistics and, last of all, the manifest. */
export async function finish({
  to,
  workshop,
  source,
  format,
  fingerprint,
  jobs,
}: {
  to: string;
  workshop: string;
  source: ImageSource;
  format: ShardFormat;
  fingerprint: string;
  jobs: Jobs;
}): Promise<Manifest> {
  const { size, channels, encoding, quality } = format;
  const colours: ColourTotals[] = [];
  const imageSum = new Float64Array(channels * size * size);
  const rejected: Rejected[] = [];
  const sources: number[] = [];

  const writeChecked = async (file: string, content: string | Buffer) => {
    await writeWhole(join(to, file), content);
    return {
      file,
      bytes: Buffer.byteLength(content),
      sha256: createHash('sha256').update(content).digest('hex'),
    };
  };
  const writeSplit = async (split: SplitName): Promise<SplitManifest> => {
    const shards: SplitManifest['shards'] = [];
    const entries: ShardRecord['images'][number][] = [];
    let rejectedOfSplit = 0;
    for (const { shard } of jobs[split]) {
      const record = await readShardRecord(workshop, shard);
      if (!record)
        throw new DataError(`${workshop} was changed in the meantime: remove ${to} and prepare the data again`);
      shards.push({ file: shard, bytes: record.bytes, sha256: record.sha256, images: record.images.length });
      for (const entry of record.images) entries.push(entry);
      rejected.push(...rejectedOf(split, record.rejected));
      for (const checksum of record.sources) sources.push(checksum);
      rejectedOfSplit += record.rejected.length;
      if (record.colours) colours.push(record.colours);
      if (record.imageSum !== undefined) addWords(imageSum, Buffer.from(record.imageSum, 'base64'));
    }
    if (entries.length === 0) throw new DataError(`none of the ${split} images can be used`);
    const index = await writeChecked(`${split}.index`, encodeIndex(entries));
    return { images: entries.length, rejected: rejectedOfSplit, index, shards };
  };

  const splits = { train: await writeSplit('train'), validation: await writeSplit('validation') };
  const count = splits.train.images;
  const meanImage = imageSum.map((sum) => sum / count);
  const { mean, covariance, standardDeviations, axes } = statisticsOf(colours);
  if (rejected.length > 0) await writeRejected(to, rejected);
  else await rm(join(to, rejectedFile), { force: true });
  const manifest: Manifest = {
    format: 'alex-dataset',
    version: manifestVersion,
    name: source.name,
    source: {
      kind: source.kind,
      from: [...source.from],
      ...(source.remarks && { remarks: [...source.remarks] }),
      digest: digestOfChecksums(sources),
    },
    fingerprint,
    preprocessing: {
      description:
        source.bytes === 'pixels'
          ? `as they are, ${size} x ${size}`
          : `shorter side scaled to ${size}, central ${size} x ${size} cropped, rotated as recorded by the camera, 8-bit ${channels === 1 ? 'grey' : 'RGB'}`,
      size,
      channels,
      encoding,
      ...(encoding === 'jpg' && { quality }),
      tools,
    },
    classes: source.classes.map(({ id, name }) => ({ id, name })),
    splits,
    statistics: {
      meanImage: await writeChecked('mean-image.npy', encodeNpy([channels, size, size], meanImage)),
      mean: [...mean],
      covariance: covariance.map((row) => [...row]),
      standardDeviations: [...standardDeviations],
      axes: axes.map((axis) => [...axis]),
    },
    ...(source.numbers && { numbers: [...source.numbers] }),
    ...(source.licences && { licences: [...source.licences] }),
  };
  await syncFolder(to);
  await writeWhole(join(to, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`);
  await syncFolder(to);
  return manifest;
}

function addWords(sums: Float64Array, words: Buffer): void {
  for (let i = 0; i < sums.length; i++) sums[i]! += words.readUInt32LE(4 * i);
}
