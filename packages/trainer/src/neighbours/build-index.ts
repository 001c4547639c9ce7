import { batches, type Split } from '@alex/data';
import { checkOptions, checkSignal, checkText, elementCount } from '@alex/tensor/kernels';
import { activationsOf, featureShape, type Viewer } from '../activations.js';
import { checkSplit, checkViewer, withoutOpenedRun } from '../checks.js';
import { FeatureIndexWriter } from './feature-index.js';

/** What {@link buildIndex} needs. */
export interface BuildIndexOptions extends Viewer {
  /** The file; its folder is made where only that is missing. */
  readonly path: string;
  readonly split: Split;
  readonly layer: string;
  /** What the features depend on: see `IndexDescription`. */
  readonly identity: Readonly<Record<string, string>>;
  /** Stops after the batch at hand. */
  readonly signal?: AbortSignal;
  /** Called once with what an interrupted building left, and after each batch. */
  onProgress?(images: number, of: number): void;
}

/**
 * Builds an index of a layer's activations for every image of a split: 2 bytes a value and 24 an image, written as they come, so
 * that memory does not depend on how many there are. What was interrupted is continued; an older index with another identity
 * stays as it is until the new one takes its place.
 *
 * @returns whether it was finished: not where the signal stopped it
 * @throws ConfigError for an unknown option, for a layer that there is not, or where another process builds the same; DataError where an image cannot be
 * read, or its features are not finite; AlexError where the file cannot be written
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

/** The images of a split in their order, from one of them on, which begins a batch; none where there are no more. */
function batchesFrom(split: Split, first: number, batch: number) {
  if (first >= split.length) return [];
  return batches(split, { batch, lastBatch: 'keep', shuffle: false, position: first / batch });
}

/** Bytes that the index of so many images takes. */
export function indexBytes(images: number, shape: readonly number[]): number {
  return images * (8 * Math.ceil(elementCount(shape) / 4) + 24);
}
