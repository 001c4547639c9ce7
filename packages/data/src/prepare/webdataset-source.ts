import { basename, resolve } from 'node:path';
import { DataError } from '@alex/tensor';
import { holdOut } from '../hold-out.js';
import { leftOut, Remarks, type RemarkWords, someOf } from '../remarks.js';
import { firstOfEach } from './copies.js';
import { plainArchives } from './plain-archive.js';
import type { ImageSource, SourceContext, SourceImage } from './source.js';
import { classesOf } from './webdataset-classes.js';
import { readSamples, type Sample, type Samples } from './webdataset-samples.js';
import { findShards, type ShardFile } from './webdataset-shards.js';

const copies: RemarkWords = (count, first) =>
  `${leftOut(count, 'shard that is a copy of another', 'shards that are copies of others', first)}.`;

/**
 * WebDataset shards of any origin: tar archives of images (`KEY.jpg`) and labels (`KEY.cls`, or a field of `KEY.json`).
 * Images are located within the archives; compressed archives are unpacked first. If there are no validation shards,
 * one image in ten is held out.
 *
 * @param from the folder of the shards, one of them, or a pattern with braces
 * @throws DataError if there are none, they are damaged, or they lack images or labels.
 */
export async function webdatasetSource(from: string, context: SourceContext): Promise<ImageSource> {
  const remarks = new Remarks();
  const { directory, train: trainShards, validation: ownShards, others } = await findShards(from, remarks);
  const train = checked(from, await read(trainShards, context, remarks), trainShards);
  const validation = await readValidation(from, ownShards, others, context, remarks);
  const { classes, numberOf, remarks: ofClasses } = await classesOf(directory, [...train, ...validation]);
  const labelled = (samples: readonly Sample[]) =>
    samples.map(({ key, label, ...place }) => ({ ...place, key, label: numberOf.get(label)! }));
  const all = labelled(train);
  const known = new Set(all.map(({ label }) => label));
  const held = labelled(validation);
  const unknown = held.find(({ label }) => !known.has(label));
  if (unknown) {
    throw new DataError(
      `${unknown.name} is of the class ${classes[unknown.label]!.name}, which has no training images: add some, or remove it`,
    );
  }
  const names = classes.map(({ id }) => id);
  const whereOf = (label: number) => `${from}: the class ${classes[label]!.name}`;
  const splits =
    validation.length > 0 ? { train: all, validation: held } : holdOut(names, all, ({ key }) => key, whereOf);
  const withoutKey = (images: typeof all): SourceImage[] => images.map(({ key: _, ...image }) => image);
  const shards = (files: readonly ShardFile[]) => `${files.length} ${files.length === 1 ? 'shard' : 'shards'}`;
  const heldOut =
    validation.length > 0 ? `${held.length.toLocaleString('en-US')} for validation` : 'one in ten of which is held out';
  return {
    kind: 'webdataset',
    name: basename(resolve(directory)),
    from: [basename(resolve(from))],
    classes,
    channels: 3,
    bytes: 'file',
    lossless: false,
    train: withoutKey(splits.train),
    validation: withoutKey(splits.validation),
    remarks: [
      `Found ${shards(trainShards)} of ${all.length.toLocaleString('en-US')} training images, ${heldOut}; ${classes.length.toLocaleString('en-US')} classes.`,
      ...remarks.lines(),
      ...ofClasses,
    ],
  };
}

/** Shards called test or dev are used if there are no others, and if they have labels: many test sets have none. */
async function readValidation(
  from: string,
  own: readonly ShardFile[],
  others: readonly ShardFile[],
  context: SourceContext,
  remarks: Remarks,
): Promise<Sample[]> {
  if (own.length > 0) {
    if (others.length > 0) remarks.say(`Skipped: ${namesOf(others)}.`);
    return checked(from, await read(own, context, remarks), own);
  }
  if (others.length === 0) return [];
  const { samples } = await read(others, context, new Remarks());
  if (samples.length === 0) remarks.say(`${namesOf(others)} have no labels and are skipped.`);
  else remarks.say(`There are no shards named val: the images of ${namesOf(others)} are used for validation.`);
  return samples;
}

const namesOf = (shards: readonly ShardFile[]) => someOf(shards.map(({ name }) => name));

async function read(shards: readonly ShardFile[], context: SourceContext, remarks: Remarks): Promise<Samples> {
  const found: Samples = { samples: [], endings: new Set() };
  const paths = await plainArchives(
    shards.map(({ path }) => path),
    context,
  );
  const originals = await firstOfEach(paths);
  for (const [i, { name }] of shards.entries()) {
    context.signal?.throwIfAborted();
    const original = originals[i]!;
    if (original === i) readSamples(paths[i]!, name, found, remarks);
    else remarks.add(copies, `${name} (${shards[original]!.name})`);
  }
  return found;
}

function checked(from: string, { samples, endings }: Samples, shards: readonly ShardFile[]): Sample[] {
  if (samples.length > 0) return samples;
  const found = endings.size === 0 ? 'nothing' : someOf([...endings].sort().map((ending) => `KEY.${ending}`));
  throw new DataError(
    `${from}: there are no labelled images in ${namesOf(shards)}: a sample must be an image (KEY.jpg) and its class ` +
      `(KEY.cls with a number or a name, or KEY.json with \`label\`); there is ${found}`,
  );
}
