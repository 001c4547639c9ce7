import { stat } from 'node:fs/promises';
import type { Dataset } from '@alex/data';
import { AlexError, ConfigError, DataError } from '@alex/tensor';
import { buildIndex, FeatureIndex, featureShape, indexBytes, lastHiddenLayer } from '@alex/trainer';
import { openImagesForRun, sayRemarks } from '../data.js';
import { exitCode } from '../failure.js';
import { givenNetwork, type NetworkChoice } from '../given-network.js';
import { decodeFiles, sayProblems } from '../image-files.js';
import { Interruption } from '../interrupt.js';
import type { AdapterOptions } from '../options.js';
import type { Output } from '../output.js';
import { sayNowAndThen } from '../progress-lines.js';
import { descriptionOf, openTrained, type TrainedNetwork, type TrainedSession } from '../session.js';
import {
  checkIndex,
  drawable,
  indexChange,
  indexFile,
  indexIdentity,
  type SimilarImage,
  similarImages,
} from '../similar-images.js';
import { checkPlace, writeResult } from '../write-result.js';

/** What `similar` takes. */
export interface SimilarCommandOptions extends AdapterOptions, NetworkChoice {
  readonly data?: string;
  readonly layer?: string;
  readonly neighbours: number;
  readonly index?: string;
  readonly build?: boolean;
  readonly maxRejected?: number;
  readonly to?: string;
}

/** The index that a command uses, and what it must have been built from. */
interface IndexPlace {
  readonly path: string;
  readonly layer: string;
  readonly shape: readonly number[];
  readonly identity: Readonly<Record<string, string>>;
  /** The words of the command, for a line that can be copied. */
  readonly words: readonly string[];
}

/** Shows the training images most similar to images, and lists images that cannot be read; returns the exit code. */
export async function similarCommand(
  files: readonly string[],
  options: SimilarCommandOptions,
  output: Output,
): Promise<number> {
  const { build = false, neighbours, to } = options;
  if (files.length === 0 && !build) throw new ConfigError('give image files, or --build to build the index');
  if (files.length === 0 && to !== undefined)
    throw new ConfigError('--to draws images with their similar images: give image files');
  await checkPlace('--to', to, { endings: ['.svg'], inputs: files });
  const { network, dataset, place } = await prepared(options, output);
  const { usable, pixels, problems } = await decodeFiles(files, network);
  const builds = build && !(await isThere(place, options.index !== undefined, output));
  let index = builds ? undefined : await openIndex(place);
  let found: SimilarImage[][] = [];
  try {
    if (builds || usable.length > 0) {
      const { recipe } = network.config;
      const session = await openTrained(network, {
        adapters: options.adapters,
        batch: Math.min(recipe.batch, builds ? dataset.train.length : Math.max(usable.length, neighbours)),
      });
      try {
        if (builds) {
          const stoppedBy = await built(session, dataset, place, output);
          if (stoppedBy !== undefined) return stoppedBy;
          index = await FeatureIndex.open(place.path);
        }
        if (usable.length > 0) {
          found = await similarImages(
            { pixels, count: usable.length },
            {
              ...session,
              ...{ gpu: session.gpus[0]!, index: index!, dataset, layer: place.layer, count: neighbours },
              onProgress: sayNowAndThen(output, 'rows of the index'),
            },
          );
        }
      } finally {
        session.dispose();
      }
    }
  } finally {
    await index?.close();
  }
  const { path, layer } = place;
  const of = new Map(usable.map((file, i) => [file, found[i]!]));
  output.result({
    index: { file: path, layer, images: dataset.train.length, built: builds },
    images: files.map((image) => {
      const nearest = of.get(image);
      if (!nearest) return { image, error: problems.get(image) };
      return { image, nearest: nearest.map(({ image: _, ...one }) => one) };
    }),
    ...(to !== undefined && { to }),
  });
  for (const [file, nearest] of of) {
    output.line(file);
    for (const { distance, name, label } of nearest)
      output.line(`  ${distance.toPrecision(4).padStart(9)}  ${name}  ${label}`);
  }
  if (to !== undefined && usable.length > 0) {
    await writeResult(to, await drawing(pixels, usable.length, network, found));
    output.line(`${to} shows them side by side.`);
  }
  sayProblems(problems.values(), output);
  return problems.size === 0 ? exitCode.success : exitCode.failure;
}

/** Finds all user errors before any adapter is opened. */
async function prepared(options: SimilarCommandOptions, output: Output) {
  const given = await givenNetwork(options, output);
  const description = descriptionOf(given);
  const { run, weights, layer = lastHiddenLayer(description), index } = options;
  const shape = featureShape(description, layer);
  if (weights !== undefined && options.data === undefined) {
    throw new ConfigError('--data is missing: published weights come without images');
  }
  if (weights !== undefined && index === undefined) {
    throw new ConfigError('--index is missing: give the file for the index of published weights');
  }
  const { data: source, maxRejected } = options;
  const dataset = await openImagesForRun(given.config, source, { maxRejected, output });
  sayRemarks([dataset], output);
  const learnt = await given.learnt();
  const network: TrainedNetwork = { ...given, learnt: async () => learnt };
  const named = { run, weights, data: options.data, layer: options.layer, checkpoint: options.checkpoint, index };
  const place: IndexPlace = {
    path: index ?? indexFile(run!, layer),
    layer,
    shape,
    identity: await indexIdentity(given.config, learnt.weights, dataset, layer),
    words: Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)])),
  };
  return { network, dataset, place };
}

/** @throws ConfigError if there is none, or it was built from something else */
async function openIndex({ path, identity, words }: IndexPlace): Promise<FeatureIndex> {
  const there = await stat(path).catch(() => undefined);
  if (!there) {
    const { alexnetCommand } = await import('../invocation.js');
    throw new ConfigError(
      `${path}: there is no index yet; build it once with \`${alexnetCommand(['similar', ...words, '--build'])}\``,
    );
  }
  const index = await FeatureIndex.open(path);
  try {
    checkIndex(index, identity, words);
    return index;
  } catch (error) {
    await index.close();
    throw error;
  }
}

/**
 * Whether the index already exists; if there is another one, prints why it does not fit.
 *
 * @param isNamed whether the user chose the file: if it is not an index, it may be anything
 * @throws ConfigError instead of overwriting such a file
 */
async function isThere({ path, identity }: IndexPlace, isNamed: boolean, output: Output): Promise<boolean> {
  let index: FeatureIndex;
  try {
    index = await FeatureIndex.open(path);
  } catch (error) {
    if (error instanceof DataError && isNamed)
      throw new ConfigError(`--index ${error.message.replace(/rebuild it$/, 'remove it, or choose another place')}`);
    if (error instanceof DataError) output.line(error.message);
    else if (!(error instanceof ConfigError)) throw error;
    return false;
  }
  const change = indexChange(index.description, identity);
  await index.close();
  output.line(change === undefined ? `${path} already exists.` : `${path} is the index of ${change}; it is rebuilt.`);
  return change === undefined;
}

/** Builds the index; returns the exit code if a signal stopped it. */
async function built(
  { network, augmenter }: TrainedSession,
  dataset: Dataset,
  { path, layer, shape, identity }: IndexPlace,
  output: Output,
): Promise<number | undefined> {
  const { train } = dataset;
  const count = train.length.toLocaleString('en-US');
  const bytes = indexBytes(train.length, shape);
  output.line(
    `Building the index of ${layer} for ${count} training images: ${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: 1 })} MB, ${path}.`,
  );
  const interruption = new Interruption(() => output.line('Stopping; finished rows are kept.'));
  try {
    const say = sayNowAndThen(output);
    let begun = false;
    const finished = await buildIndex({
      ...{ network, augmenter, path, split: train, layer, identity, signal: interruption.signal },
      onProgress(done, of) {
        if (!begun && done > 0)
          output.line(`Continuing after the ${done.toLocaleString('en-US')} images that it already contains.`);
        begun = true;
        say(done, of);
      },
    });
    if (finished) return undefined;
    output.line('Stopped. The same command continues from here.');
    return interruption.code;
  } finally {
    interruption.dispose();
  }
}

async function drawing(
  pixels: Uint8Array,
  count: number,
  { config }: TrainedNetwork,
  found: readonly (readonly SimilarImage[])[],
): Promise<string> {
  const { height, width, channels } = config.data;
  if (channels !== 1 && channels !== 3) throw new AlexError(`images of ${channels} channels cannot be drawn`);
  const bytes = height * width * channels;
  const images = Array.from({ length: count }, (_, i) => ({
    image: {
      data: pixels.subarray(i * bytes, (i + 1) * bytes),
      ...{ width, height, channels: channels === 1 ? (1 as const) : (3 as const) },
    },
  }));
  // Imported only now: the drawing code takes longer to load than everything else together.
  const { neighbours } = await import('@alex/report');
  return neighbours(drawable(images, found));
}
