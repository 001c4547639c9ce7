import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Dataset } from '@alex/data';
import type { Neighbours } from '@alex/report';
import { ConfigError, type Gpu, type HostTensor } from '@alex/tensor';
import { activationsOf, type FeatureIndex, findNearest, type RunConfig, type Viewer } from '@alex/trainer';
import { fingerprintOf } from './data-fingerprint.js';
import type { ExampleImage } from './examples.js';
import { alexnetCommand } from './invocation.js';

/** A training image that is similar to another. */
export interface SimilarImage extends ExampleImage {
  /** Its index among the training images. */
  readonly number: number;
  /** Euclidean distance between the features of both. */
  readonly distance: number;
}

/** The default location of the index of a run's layer. */
export function indexFile(run: string, layer: string): string {
  return join(run, 'similar', `${layer}.index`);
}

/** Everything that the features of a data set depend on, as stored in an index. */
export async function indexIdentity(
  { model, data, images }: RunConfig,
  weights: Readonly<Record<string, HostTensor>>,
  dataset: Dataset,
  layer: string,
): Promise<Record<string, string>> {
  const hash = createHash('sha256');
  for (const [name, { shape, data: values }] of Object.entries(weights).sort(([one], [other]) =>
    one < other ? -1 : 1,
  )) {
    hash.update(`${name} [${shape.join(', ')}]\n`).update(values);
  }
  const { mean, meanImage, scale } = images;
  const view = { model, height: data.height, width: data.width, channels: data.channels, mean, meanImage, scale };
  const { train } = await fingerprintOf(dataset);
  return {
    layer,
    weights: shortened(hash.digest('hex')),
    preparation: shortened(createHash('sha256').update(JSON.stringify(view)).digest('hex')),
    images: JSON.stringify(train),
  };
}

const shortened = (hash: string) => hash.slice(0, 32);

/** The meaning of a difference in each part of the identity. */
const differences: Readonly<Record<string, string>> = {
  layer: 'another layer',
  weights: 'other weights: the network was trained further, or this is another checkpoint',
  preparation: 'other preprocessing: another image size, or another mean',
  images: 'other training images: some were added, removed, renamed or changed',
};

/** How an index differs from the required one: a phrase, or undefined if it does not. */
export function indexChange(
  { identity }: FeatureIndex['description'],
  wanted: Readonly<Record<string, string>>,
): string | undefined {
  const changed = Object.keys(differences).filter((name) => identity[name] !== wanted[name]);
  return changed.length === 0 ? undefined : changed.map((name) => differences[name]!).join('; and ');
}

/** @throws ConfigError if an index was built from something else */
export function checkIndex(
  { path, description }: FeatureIndex,
  wanted: Readonly<Record<string, string>>,
  words: readonly string[],
): void {
  const change = indexChange(description, wanted);
  if (change === undefined) return;
  throw new ConfigError(
    `${path}: is the index of ${change}. Rebuild it with \`${alexnetCommand(['similar', ...words, '--build'])}\`, or choose another --index`,
  );
}

/** What the search for similar images needs. */
export interface SimilarOptions extends Viewer {
  readonly gpu: Gpu;
  readonly index: FeatureIndex;
  /** The data set whose training images are in the index. */
  readonly dataset: Dataset;
  readonly layer: string;
  /** Number of neighbours per image. Default: 6. */
  readonly count?: number;
  readonly signal?: AbortSignal;
  onProgress?(done: number, of: number): void;
}

/** The training images most similar to some images, the nearest first. */
export async function similarImages(
  images: { readonly pixels: Uint8Array; readonly count: number },
  { dataset, layer, network, augmenter, gpu, index, count, signal, onProgress }: SimilarOptions,
): Promise<SimilarImage[][]> {
  const { train, classes, height, width, channels } = dataset;
  const activations = (some: typeof images) => activationsOf({ network, augmenter }, some, layer);
  const found = await findNearest({
    ...{ gpu, index },
    ...(count !== undefined && { count }),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
    features: await activations(images),
    exact: async (rows) => (await activations(await train.read(rows))).data,
  });
  const bytes = height * width * channels;
  return Promise.all(
    found.map(async (neighbours) => {
      const { pixels } = await train.read(neighbours.map(({ row }) => row));
      return neighbours.map(({ row, distance }, i) => ({
        number: row,
        distance,
        name: train.imageName(row),
        label: classes[train.labels[row]!]!,
        image: {
          data: pixels.subarray(i * bytes, (i + 1) * bytes),
          width,
          height,
          channels: channels === 1 ? (1 as const) : (3 as const),
        },
      }));
    }),
  );
}

/** Images with their similar images, for `neighbours` of `@alex/report`. */
export function drawable(
  images: readonly Pick<Neighbours, 'image' | 'label'>[],
  found: readonly (readonly SimilarImage[])[],
): Neighbours[] {
  return images.map((own, i) => ({
    ...own,
    nearest: found[i]!.map(({ image }) => image),
    nearestLabels: found[i]!.map(({ label }) => label),
  }));
}
