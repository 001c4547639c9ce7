import { type Dataset, prefetch, type Split } from '@alex/data';
import { ConfigError, DataError } from '@alex/tensor';
import { ActivationFile, activationsOf, featureShape, type ImageNote, lastHiddenLayer } from '@alex/trainer';
import { openImagesForRun, sayRemarks } from '../data.js';
import { exitCode } from '../failure.js';
import { givenNetwork, type NetworkChoice } from '../given-network.js';
import { decodeFiles, sayProblems } from '../image-files.js';
import type { AdapterOptions } from '../options.js';
import type { Output } from '../output.js';
import { sayNowAndThen } from '../progress-lines.js';
import { descriptionOf, openTrained, type TrainedNetwork } from '../session.js';
import { checkPlace } from '../write-result.js';

/** What `features` takes. */
export interface FeaturesOptions extends AdapterOptions, NetworkChoice {
  readonly to: string;
  readonly layer?: string;
  readonly data?: string;
  readonly split?: 'train' | 'val';
}

/** Some images, and what is wrong with the missing ones. */
interface ImagePart {
  readonly pixels: Uint8Array;
  readonly notes: readonly ImageNote[];
  readonly problems: readonly Problem[];
}

interface Problem {
  readonly image: string;
  readonly error: string;
}

/** A source of images, which come in batches of the network's size. */
interface ImageSource {
  readonly count: number;
  readonly labelled: boolean;
  parts(batch: number): AsyncIterable<ImagePart>;
}

/**
 * Writes the activations of a layer for images or a whole data set; lists images that cannot be read; returns the exit code.
 */
export async function featuresCommand(
  files: readonly string[],
  options: FeaturesOptions,
  output: Output,
): Promise<number> {
  await checkPlace('--to', options.to, { endings: ['.npy', ''], inputs: files });
  const network = await givenNetwork(options, output);
  const source = await sourceOf(files, network, options, output);
  const { recipe } = network.config;
  const description = descriptionOf(network);
  const { to, layer = lastHiddenLayer(description) } = options;
  const shape = featureShape(description, layer);
  const file = await ActivationFile.open(to, shape, { most: source.count, labelled: source.labelled });
  const problems: Problem[] = [];
  try {
    const session = await openTrained(network, {
      adapters: options.adapters,
      batch: Math.min(recipe.batch, source.count),
    });
    try {
      const progress = sayNowAndThen(output);
      let seen = 0;
      for await (const part of prefetch(source.parts(session.network.batch))) {
        const { pixels, notes } = part;
        if (notes.length > 0)
          await file.append(await activationsOf(session, { pixels, count: notes.length }, layer), notes);
        problems.push(...part.problems);
        seen += notes.length + part.problems.length;
        progress(seen, source.count);
      }
    } finally {
      session.dispose();
    }
    // If there is nothing to write, there is no file: a program that waits for it must not take an empty one for the result.
    if (file.shape[0] !== 0) await file.finish();
  } finally {
    await file.discard();
  }
  const written = file.shape[0] !== 0;
  output.result({
    layer,
    shape: file.shape,
    ...(written && file.files),
    ...(problems.length > 0 && { problems }),
  });
  if (written) {
    const { names } = file.files;
    output.line(`${to} has ${layer} of ${counted(file.shape[0]!)}: float32 [${file.shape.join(', ')}].`);
    output.line(`${names} names the image of each row.`);
  }
  sayProblems(
    problems.map(({ error }) => error),
    output,
  );
  return problems.length === 0 ? exitCode.success : exitCode.failure;
}

async function sourceOf(
  files: readonly string[],
  network: TrainedNetwork,
  { data, split, weights }: FeaturesOptions,
  output: Output,
): Promise<ImageSource> {
  const wantsData = data !== undefined || split !== undefined;
  if (files.length > 0) {
    if (wantsData) throw new ConfigError('images and --data or --split: give one of them');
    return fromFiles(files, network);
  }
  if (!wantsData) throw new ConfigError('there are no images: give image files, --data or --split');
  if (data === undefined && weights !== undefined)
    throw new ConfigError('--data is missing: published weights come without images');
  // Images that cannot be read are listed, and the others are written.
  const dataset = await openImagesForRun(network.config, data, { checked: 'none', output });
  sayRemarks([dataset], output);
  return fromSplit(dataset, split === 'train' ? dataset.train : dataset.validation);
}

function fromFiles(files: readonly string[], network: TrainedNetwork): ImageSource {
  return {
    count: files.length,
    labelled: false,
    async *parts(batch) {
      for (let first = 0; first < files.length; first += batch) {
        const { usable, pixels, problems } = await decodeFiles(files.slice(first, first + batch), network);
        yield {
          pixels,
          notes: usable.map((name) => ({ name })),
          problems: Array.from(problems, ([image, error]) => ({ image, error })),
        };
      }
    },
  };
}

function fromSplit({ classes }: Dataset, split: Split): ImageSource {
  const note = (i: number) => ({ name: split.imageName(i), label: classes[split.labels[i]!]! });
  return {
    count: split.length,
    labelled: true,
    async *parts(batch) {
      for (let first = 0; first < split.length; first += batch) {
        const numbers = Array.from({ length: Math.min(batch, split.length - first) }, (_, i) => first + i);
        yield await readPart(split, numbers, note);
      }
    },
  };
}

/** Reads images of a split; one by one if not all of them can be read. */
async function readPart(
  split: Split,
  numbers: readonly number[],
  note: (number: number) => ImageNote,
): Promise<ImagePart> {
  try {
    const { pixels } = await split.read(numbers);
    return { pixels, notes: numbers.map(note), problems: [] };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const [first] = numbers as [number];
    if (numbers.length === 1) {
      return {
        pixels: new Uint8Array(),
        notes: [],
        problems: [{ image: split.imageName(first), error: error.message }],
      };
    }
  }
  const parts: ImagePart[] = [];
  for (const number of numbers) parts.push(await readPart(split, [number], note));
  return {
    pixels: Buffer.concat(parts.map(({ pixels }) => pixels)),
    notes: parts.flatMap(({ notes }) => notes),
    problems: parts.flatMap(({ problems }) => problems),
  };
}

function counted(images: number): string {
  return images === 1 ? '1 image' : `${images.toLocaleString('en-US')} images`;
}
