import { join } from 'node:path';
import { DataError } from '@alex/tensor';
import * as v from 'valibot';
import { readWhole } from '../files.js';

/** The file that identifies a folder as a prepared data set; it is written last. */
export const manifestFile = 'dataset.json';
/** The folder for intermediate results of a preparation. */
export const workshopFolder = '.unfinished';
/** Version of `dataset.json`. It rises when an older program would read the folder wrongly. */
export const manifestVersion = 1;

const whole = (least: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(least));
const finite = v.pipe(v.number(), v.finite());
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
/** Next to `dataset.json`: no name may lead elsewhere. */
const fileName = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][\w.-]*$/, 'must be a plain file name'));
const fileSchema = v.object({ file: fileName, bytes: whole(0), sha256 });

const splitSchema = v.object({
  images: whole(1),
  /** Number of unusable images; `rejected.jsonl` lists them with reasons. */
  rejected: whole(0),
  index: fileSchema,
  shards: v.pipe(v.array(v.object({ ...fileSchema.entries, images: whole(0) })), v.minLength(1)),
});

const manifestSchema = v.object({
  format: v.literal('alex-dataset'),
  version: v.literal(manifestVersion),
  name: v.string(),
  source: v.object({
    kind: v.string(),
    /** Names of the files or folder that it came from. */
    from: v.array(v.string()),
    /** Remarks about how they were read. */
    remarks: v.exactOptional(v.array(v.string())),
    /** Checksum of what was read: of the CRC-32 of each image's bytes in the source. */
    digest: v.exactOptional(sha256),
  }),
  /** Of the source's list and all options: a preparation only continues if it agrees. */
  fingerprint: sha256,
  preprocessing: v.object({
    description: v.string(),
    size: v.pipe(whole(1), v.maxValue(4096)),
    channels: v.picklist([1, 3]),
    encoding: v.picklist(['jpg', 'png']),
    quality: v.exactOptional(whole(1)),
    /** Versions of the decoder and encoder. */
    tools: v.record(v.string(), v.string()),
  }),
  classes: v.pipe(v.array(v.object({ id: v.string(), name: v.string() })), v.minLength(2)),
  /** The number of each class in submissions to the source's own contest. */
  numbers: v.exactOptional(v.array(whole(0))),
  splits: v.object({ train: splitSchema, validation: splitSchema }),
  /** Over all training images, in pixel values from 0 to 255. */
  statistics: v.object({
    /** `[channels, size, size]`, float32, as a NumPy file. */
    meanImage: fileSchema,
    mean: v.array(finite),
    covariance: v.array(v.array(finite)),
    /** Of the principal components, the largest first; and the components, one per row. */
    standardDeviations: v.array(v.pipe(finite, v.minValue(0))),
    axes: v.array(v.array(finite)),
  }),
  licences: v.exactOptional(
    v.array(
      v.object({ name: v.string(), author: v.string(), source: v.string(), licence: v.string(), url: v.string() }),
    ),
  ),
});

/** `dataset.json`: the contents of a folder of shards, their origin, and how they were created. */
export type Manifest = v.InferOutput<typeof manifestSchema>;
export type SplitManifest = v.InferOutput<typeof splitSchema>;

/**
 * Reads the `dataset.json` of a folder.
 *
 * @throws DataError if it is missing, damaged or of a newer version.
 */
export async function readManifest(directory: string): Promise<Manifest> {
  const file = join(directory, manifestFile);
  return parseManifest(file, (await readWhole(file, 'prepare the data first')).toString('utf8'));
}

/** Sets that were prepared before the first release call images and the mean image pictures. */
const inTodaysNames = (text: string) =>
  text.replaceAll('"pictures":', '"images":').replaceAll('"meanPicture":', '"meanImage":');

/** Reads the text of a `dataset.json`. */
export function parseManifest(file: string, text: string): Manifest {
  const remedy = 'prepare the data again';
  let json: unknown;
  try {
    json = JSON.parse(inTodaysNames(text));
  } catch {
    throw new DataError(`${file} is not JSON (it was changed or truncated): ${remedy}`);
  }
  const version = v.safeParse(v.object({ format: v.literal('alex-dataset'), version: whole(1) }), json);
  if (version.success && version.output.version > manifestVersion) {
    throw new DataError(
      `${file} is of version ${version.output.version}, this program reads up to ${manifestVersion}: update it`,
    );
  }
  const parsed = v.safeParse(manifestSchema, json);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new DataError(`${file}: ${v.getDotPath(issue) ?? 'it'} is wrong (${issue.message}): ${remedy}`);
  }
  const { splits, preprocessing, statistics, classes, numbers } = parsed.output;
  for (const [name, { images, shards }] of Object.entries(splits)) {
    const sum = shards.reduce((total, shard) => total + shard.images, 0);
    if (sum !== images) {
      throw new DataError(`${file}: ${name} has ${images} images, its shards have ${sum}: ${remedy}`);
    }
  }
  const { channels } = preprocessing;
  if (statistics.mean.length !== channels || statistics.axes.length !== channels) {
    throw new DataError(`${file}: its statistics are not those of ${channels} channels: ${remedy}`);
  }
  if (numbers && numbers.length !== classes.length) {
    throw new DataError(`${file}: ${classes.length} classes have ${numbers.length} numbers: ${remedy}`);
  }
  return parsed.output;
}
