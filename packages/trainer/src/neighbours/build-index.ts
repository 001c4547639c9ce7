import { batches, type Split } from '@alex/data';
import { checkOptions, checkSignal, checkText, elementCount } from '@alex/tensor/kernels';
import { activationsOf, featureShape } from '../activations.js';
import { checkSplit, checkViewer, withoutOpenedRun } from '../checks.js';
import type { Viewer } from '../viewer.js';
import { FeatureIndexWriter } from './feature-index.js';

/** What {@link buildIndex} needs. */
export interface BuildIndexOptions extends Viewer {
  /** The file. Its folder is created if only that is missing. */
  readonly path: string;
  readonly split: Split;
  readonly layer: string;
  /** What the features depend on: see `IndexDescription`. */
  readonly identity: Readonly<Record<string, string>>;
  /** Stops after the current batch. */
  readonly signal?: AbortSignal;
  /** Called once with the number of rows that an interrupted build left, and after each batch. */
  onProgress?(images: number, of: number): void;
}

/**
 * Builds an index of a layer's activations for every image of a split: 2 bytes per value and 24 per image, written batch by
 * batch, so memory does not depend on the number of images. An interrupted build is continued. An older index with another
 * identity stays in place until the new one replaces it.
 *
 * @returns whether it was finished; false if the signal stopped it
 * @throws ConfigError for an unknown option, if the layer does not exist, or another process builds the same index; DataError if an image cannot be
 * read, or its features are not finite; AlexError if the file cannot be written
 */
export async function buildIndex(options: BuildIndexOptions): Promise<boolean> {
  const given = withoutOpenedRun(options);
  checkOptions('buildIndex', given, [
    'network',
    'augmenter',
    'path',
    'split',
    'layer',
    'identity',
    'signal',
    'onProgress',
  ]);
  checkViewer('buildIndex', given);
  const { network, augmenter, path, split, layer, identity, signal, onProgress } = given;
  checkText('buildIndex', 'path', path);
  checkSplit('buildIndex', split);
  checkSignal('buildIndex', signal);
  const shape = featureShape(network.description, layer);
  const writer = await FeatureIndexWriter.open(path, { rows: split.length, shape, identity });
  try {
    writer.keepWhole(network.batch);
    onProgress?.(writer.rows, split.length);
    for await (const batch of batchesFrom(split, writer.rows, network.batch)) {
      if (signal?.aborted) return false;
      const { data } = await activationsOf({ network, augmenter }, batch, layer);
      await writer.append(data, (row) => split.imageName(row));
      onProgress?.(writer.rows, split.length);
    }
    await writer.finish();
    return true;
  } finally {
    await writer.close();
  }
}

/** The images of a split in order, starting from one that begins a batch; empty if there are no more. */
function batchesFrom(split: Split, first: number, batch: number) {
  if (first >= split.length) return [];
  return batches(split, { batch, lastBatch: 'keep', shuffle: false, position: first / batch });
}

/** The size of an index for this many images, in bytes. */
export function indexBytes(images: number, shape: readonly number[]): number {
  return images * (8 * Math.ceil(elementCount(shape) / 4) + 24);
}
