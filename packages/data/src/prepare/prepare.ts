import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '@alex/tensor';
import { checkOneOf, checkOptions, checkSignal } from '@alex/tensor/kernels';
import { checkPath, checkWhole } from '../checks.js';
import { makeFolder } from '../files.js';
import { type Manifest, workshopFolder } from '../prepared/manifest.js';
import { verifyPrepared } from '../prepared/verify.js';
import { allowedOf, checkMaxRejected, tooManyRejected, usualMaxRejected, writeRejected } from '../rejected.js';
import { finish, type Jobs, rejectedImages, type SplitName, splitNames } from './finish.js';
import { openSource, type SourceOptions } from './open-source.js';
import type { ShardFormat } from './shard.js';
import { makeShards } from './shard-processes.js';
import type { ImageSource, SourceImage } from './source.js';
import { agreeOnPlan, checkRoom, checkTarget, finishedManifest, planOf, removeOtherShards } from './target.js';

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
  /** Creates the shards, such as on several machines with the same files. Default: {@link makeShards}, on this one. */
  readonly make?: typeof makeShards | undefined;
  onEvent?(event: PreparationEvent): void;
}

/** The result of a preparation. */
export interface Preparation {
  readonly directory: string;
  readonly manifest: Manifest;
  /** Whether it already existed with correct checksums. */
  readonly alreadyThere: boolean;
}

/**
 * If this many images are unusable, and too many, the preparation stops at once; below, all of them are found first.
 */
const enoughRejected = 1000;

/**
 * Prepares images for training as in the paper (section 2: the shorter side scaled to 256, the central 256 x 256
 * cropped). It stores them as WebDataset shards (`KEY.jpg` and `KEY.cls` in a tar) with an index for random access. The
 * mean image, colour statistics, classes and checksums are in `dataset.json`, which is written last.
 *
 * The bytes depend only on the source and the options: not on the number of workers, the time, or interruptions, even
 * by power cuts. Finished shards are kept, and verified by their checksums when the work continues. Unusable images are
 * listed in `rejected.jsonl`.
 *
 * @throws ConfigError if an option is unknown or invalid, or the folder has other contents; DataError if the source is damaged, too
 * many images are rejected, or the target cannot be written.
 */
export async function prepareDataset(options: PrepareOptions): Promise<Preparation> {
  checkOptions('prepareDataset', options, [
    'source',
    'from',
    'size',
    'classes',
    'to',
    'maxRejected',
    'encoding',
    'quality',
    'imagesPerShard',
    'workers',
    'signal',
    'make',
    'onEvent',
  ]);
  const {
    to,
    maxRejected = usualMaxRejected,
    quality = 95,
    imagesPerShard = 1024,
    signal,
    onEvent,
    make = makeShards,
  } = options;
  checkPath('prepareDataset: to', to);
  if (options.encoding !== undefined) checkOneOf('prepareDataset', 'encoding', options.encoding, ['jpg', 'png']);
  checkSignal('prepareDataset', signal);
  checkMaxRejected(maxRejected);
  checkWhole('quality', quality, 1, 100);
  checkWhole('imagesPerShard', imagesPerShard, 1, 65536);
  if (options.workers !== undefined) checkWhole('workers', options.workers, 1, 1024);
  if (options.size !== undefined) checkWhole('size', options.size, 1, 4096);
  await checkTarget(to);
  const workshop = join(to, workshopFolder);
  onEvent?.({ kind: 'listing' });
  const say = (text: string) => onEvent?.({ kind: 'remark', text });
  const source = await openSource(options, {
    async scratch() {
      const scratch = join(workshop, 'source');
      await makeFolder(scratch);
      return scratch;
    },
    say,
    signal,
  });
  for (const text of source.remarks ?? []) say(text);
  signal?.throwIfAborted();
  const format: ShardFormat = {
    size: sizeOf(source, options.size),
    channels: source.channels,
    encoding: options.encoding ?? (source.lossless ? 'png' : 'jpg'),
    quality,
  };
  const plan = planOf(source, format, imagesPerShard);
  const finished = await finishedManifest(to, source, plan, { say, signal });
  if (finished) {
    await rm(workshop, { recursive: true, force: true });
    await verifyPrepared(to, (done, of) => onEvent?.({ kind: 'verifying', done, of }));
    return { directory: to, manifest: finished, alreadyThere: true };
  }
  await makeFolder(workshop);
  await agreeOnPlan(to, plan);

  const jobs = jobsFor(source, { to, workshop, format, imagesPerShard });
  const of = source.train.length + source.validation.length;
  await checkRoom(to, of, format, say);
  const allowed = allowedOf(maxRejected, of);
  let done = 0;
  let rejected = 0;
  const tell = () => onEvent?.({ kind: 'images', done, of, rejected });
  tell();
  const all = splitNames.flatMap((split) => jobs[split]);
  try {
    await make(all, {
      workers: options.workers,
      signal,
      onImages(count) {
        done += count;
        tell();
      },
      onShard(made) {
        rejected += made.rejected;
        if (rejected > Math.max(allowed, enoughRejected)) throw new TooManyRejected();
      },
    });
  } catch (error) {
    if (!(error instanceof TooManyRejected)) throw error;
  }
  if (rejected > allowed) {
    const images = await rejectedImages(workshop, jobs);
    throw tooManyRejected(images, of, maxRejected, await writeRejected(to, images));
  }
  await removeOtherShards(
    to,
    all.map(({ shard }) => shard),
  );
  const { fingerprint } = plan;
  const manifest = await finish({ to, workshop, source, format, fingerprint, jobs });
  await rm(workshop, { recursive: true, force: true });
  return { directory: to, manifest, alreadyThere: false };
}

class TooManyRejected extends Error {}

function sizeOf(source: ImageSource, size: number | undefined): number {
  if (source.size === undefined) return size ?? 256;
  if (size === undefined || size === source.size) return source.size;
  throw new ConfigError(
    `size is ${size}, but ${source.name} has images of ${source.size} x ${source.size}: omit the option`,
  );
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
