import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, DataError } from '@alex/tensor';
import sharp from 'sharp';
import { checkWhole } from '../checks.js';
import { errorCode, makeFolder, reason, syncFolder, writeWhole } from '../files.js';
import { encodeIndex } from '../prepared/index-file.js';
import {
  type Manifest,
  manifestFile,
  manifestVersion,
  readManifest,
  type SplitManifest,
  workshopFolder,
} from '../prepared/manifest.js';
import { encodeNpy } from '../prepared/npy.js';
import { verifyPrepared } from '../prepared/verify.js';
import { type ColourTotals, statisticsOf } from '../statistics.js';
import { openSource, type SourceOptions } from './open-source.js';
import { readShardRecord, type ShardFormat, type ShardJob, type ShardRecord } from './shard.js';
import { makeShards } from './shard-processes.js';
import { fingerprintOf, type ImageSource, type SourceImage } from './source.js';

/** A progress event of a preparation. */
export type PreparationEvent =
  | { readonly kind: 'listing' }
  | { readonly kind: 'remark'; readonly text: string }
  | { readonly kind: 'images'; readonly done: number; readonly of: number; readonly rejected: number }
  | { readonly kind: 'verifying'; readonly done: number; readonly of: number };

export interface PrepareOptions extends SourceOptions {
  /** The target of the shards: a new or empty folder, or one where this preparation was stopped. */
  readonly to: string;
  /** Fraction of the images that may be unusable. Default: 0.001. */
  readonly maxRejected?: number | undefined;
  /** Format of the stored images. Default: `jpg`, or `png` if the source is small and lossless. */
  readonly encoding?: 'jpg' | 'png' | undefined;
  /** JPEG quality, 1 to 100. Default: 95. */
  readonly quality?: number | undefined;
  /** Default: 1024. */
  readonly imagesPerShard?: number | undefined;
  /** Images to decode in parallel. Default: the number of cores. The result does not depend on it. */
  readonly workers?: number | undefined;
  /** Stops the preparation; calling it again continues from there. */
  readonly signal?: AbortSignal | undefined;
  onEvent?(event: PreparationEvent): void;
}

/** The result of a preparation. */
export interface Preparation {
  readonly directory: string;
  readonly manifest: Manifest;
  /** Whether it already existed with correct checksums. */
  readonly alreadyThere: boolean;
}

const splitNames = ['train', 'validation'] as const;
type SplitName = (typeof splitNames)[number];

const rejectedFile = 'rejected.jsonl';
const planFile = 'plan';
const tools = Object.fromEntries(
  ['sharp', 'vips', 'mozjpeg', 'png', 'spng'].flatMap((tool) => {
    const version = (sharp.versions as Readonly<Record<string, string | undefined>>)[tool];
    return version === undefined ? [] : [[tool, version] as const];
  }),
);

/**
 * Prepares images for training as in the paper (section 2: the shorter side scaled to 256, the central 256 x 256
 * cropped). It stores them as WebDataset shards (`KEY.jpg` and `KEY.cls` in a tar) with an index for random access. The
 * mean image, colour statistics, classes and checksums are in `dataset.json`, which is written last.
 *
 * The bytes depend only on the source and the options: not on the number of workers, the time, or interruptions, even
 * by power cuts. Finished shards are kept, and verified by their checksums when the work continues. Unusable images are
 * listed in `rejected.jsonl`.
 *
 * @throws ConfigError if an option is invalid or the folder has other contents; DataError if the source is damaged, too
 * many images are rejected, or the target cannot be written.
 */
export async function prepareDataset(options: PrepareOptions): Promise<Preparation> {
  const { to, maxRejected = 0.001, quality = 95, imagesPerShard = 1024, signal, onEvent } = options;
  if (!(maxRejected >= 0 && maxRejected <= 1)) {
    throw new ConfigError(`maxRejected is ${maxRejected}: give a fraction from 0 to 1`);
  }
  checkWhole('quality', quality, 1, 100);
  checkWhole('imagesPerShard', imagesPerShard, 1, 65536);
  if (options.workers !== undefined) checkWhole('workers', options.workers, 1, 1024);
  if (options.size !== undefined) checkWhole('size', options.size, 1, 4096);
  await checkTarget(to);
  const workshop = join(to, workshopFolder);
  onEvent?.({ kind: 'listing' });
  const source = await openSource(options, {
    async scratch() {
      const scratch = join(workshop, 'source');
      await makeFolder(scratch);
      return scratch;
    },
    say: (text) => onEvent?.({ kind: 'remark', text }),
    signal,
  });
  for (const text of source.remarks ?? []) onEvent?.({ kind: 'remark', text });
  signal?.throwIfAborted();
  const format: ShardFormat = {
    size: sizeOf(source, options.size),
    channels: source.channels,
    encoding: options.encoding ?? (source.lossless ? 'png' : 'jpg'),
    quality,
  };
  const plan = { version: manifestVersion, source: fingerprintOf(source), format, imagesPerShard, tools };
  const fingerprint = createHash('sha256').update(JSON.stringify(plan)).digest('hex');

  const finished = await finishedManifest(to);
  if (finished) {
    if (finished.fingerprint !== fingerprint) throw otherData(to);
    await rm(workshop, { recursive: true, force: true });
    await verifyPrepared(to, (done, of) => onEvent?.({ kind: 'verifying', done, of }));
    return { directory: to, manifest: finished, alreadyThere: true };
  }
  await makeFolder(workshop);
  await agreeOnPlan(to, join(workshop, planFile), fingerprint);

  const jobs = jobsFor(source, { to, workshop, format, imagesPerShard });
  const of = source.train.length + source.validation.length;
  const allowed = Math.floor(maxRejected * of);
  let done = 0;
  let rejected = 0;
  const tell = () => onEvent?.({ kind: 'images', done, of, rejected });
  tell();
  try {
    await makeShards(
      splitNames.flatMap((split) => jobs[split]),
      {
        workers: options.workers,
        signal,
        onImages(count) {
          done += count;
          tell();
        },
        onShard(made) {
          rejected += made.rejected;
          if (rejected > allowed) throw new TooManyRejected();
        },
      },
    );
  } catch (error) {
    if (error instanceof TooManyRejected) throw await tooMany(to, workshop, jobs, of, maxRejected);
    throw error;
  }
  const manifest = await finish({ to, workshop, source, format, fingerprint, jobs });
  await rm(workshop, { recursive: true, force: true });
  return { directory: to, manifest, alreadyThere: false };
}

class TooManyRejected extends Error {}

type Jobs = Readonly<Record<SplitName, readonly Omit<ShardJob, 'lanes'>[]>>;

function sizeOf(source: ImageSource, size: number | undefined): number {
  if (source.size === undefined) return size ?? 256;
  if (size === undefined || size === source.size) return source.size;
  throw new ConfigError(
    `size is ${size}, but ${source.name} has images of ${source.size} x ${source.size}: leave the option out`,
  );
}

/** Existing files of other origin are never overwritten. */
async function checkTarget(to: string): Promise<void> {
  let content: string[];
  try {
    content = await readdir(to);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw new ConfigError(`${to} cannot be used (${reason(error)}): choose another folder`, { cause: error });
  }
  if (content.length === 0 || content.includes(manifestFile) || content.includes(workshopFolder)) return;
  throw new ConfigError(
    `${to} contains ${content[0]} and is not an unfinished preparation: choose a new or empty folder`,
  );
}

async function finishedManifest(to: string): Promise<Manifest | undefined> {
  return (await readdir(to).catch(() => [] as string[])).includes(manifestFile) ? readManifest(to) : undefined;
}

const otherData = (to: string) =>
  new ConfigError(
    `${to} contains other data, or the same data prepared with other options or by another version: choose another folder or remove it`,
  );

/** A stopped preparation only continues with the same source and options. */
async function agreeOnPlan(to: string, file: string, fingerprint: string): Promise<void> {
  const known = await readFile(file, 'utf8').catch(() => undefined);
  if (known === undefined) await writeWhole(file, fingerprint);
  else if (known !== fingerprint) throw otherData(to);
}

function jobsFor(
  source: ImageSource,
  {
    to,
    workshop,
    format,
    imagesPerShard,
  }: { to: string; workshop: string; format: ShardFormat; imagesPerShard: number },
): Jobs {
  const ofSplit = (split: SplitName, images: readonly SourceImage[]) =>
    Array.from({ length: Math.ceil(images.length / imagesPerShard) }, (_, i) => ({
      shard: `${split}-${String(i).padStart(6, '0')}.tar`,
      directory: to,
      workshop,
      bytes: source.bytes,
      format,
      images: images.slice(i * imagesPerShard, (i + 1) * imagesPerShard),
      first: i * imagesPerShard,
      statistics: split === 'train',
    }));
  return { train: ofSplit('train', source.train), validation: ofSplit('validation', source.validation) };
}

async function tooMany(to: string, workshop: string, jobs: Jobs, of: number, maxRejected: number): Promise<DataError> {
  const lines: string[] = [];
  for (const split of splitNames) {
    for (const { shard } of jobs[split]) {
      lines.push(...rejectedLines(split, (await readShardRecord(workshop, shard))?.rejected ?? []));
    }
  }
  const file = join(to, rejectedFile);
  await writeWhole(file, lines.join(''));
  const first = JSON.parse(lines[0]!) as { image: string; reason: string };
  return new DataError(
    `${lines.length} of ${of} images cannot be used, more than ${(100 * maxRejected).toLocaleString('en-US')}%; ` +
      `for example ${first.image} (${first.reason}). ${file} lists them: replace them, or allow more by --max-rejected`,
  );
}

function rejectedLines(split: SplitName, rejected: ShardRecord['rejected']): string[] {
  return rejected.map(({ image, reason }) => `${JSON.stringify({ split, image, reason })}\n`);
}

/** Combines the records of the shards. */
async function finish({
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
  const rejected: string[] = [];

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
      rejected.push(...rejectedLines(split, record.rejected));
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
  if (rejected.length > 0) await writeWhole(join(to, rejectedFile), rejected.join(''));
  else await rm(join(to, rejectedFile), { force: true });
  const manifest: Manifest = {
    format: 'alex-dataset',
    version: manifestVersion,
    name: source.name,
    source: { kind: source.kind, from: [...source.from], ...(source.remarks && { remarks: [...source.remarks] }) },
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
