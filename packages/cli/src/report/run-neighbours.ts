import { stat } from 'node:fs/promises';
import type { Dataset } from '@alex/data';
import type { Neighbours } from '@alex/report';
import { AlexError } from '@alex/tensor';
import { FeatureIndex, lastHiddenLayer, type RunConfig } from '@alex/trainer';
import { openImagesForRun } from '../data.js';
import { readExampleImages } from '../examples.js';
import type { Output } from '../output.js';
import type { Session, TrainedWeights } from '../session.js';
import { drawable, indexChange, indexFile, indexIdentity, similarImages } from '../similar-images.js';

/** The number in figure 4 of the paper. */
const shown = 5;

/**
 * Validation images with the training images most similar to them, if the run has an index; undefined if none was built. If a
 * report has to omit them, it says why.
 */
export async function runNeighbours(
  {
    run,
    config,
    weights,
    dataset,
    data,
    maxRejected,
  }: {
    /** The run's directory. */
    readonly run: string;
    readonly config: RunConfig;
    readonly weights: TrainedWeights['weights'];
    /** The data set whose validation images are shown. */
    readonly dataset: Dataset;
    /** The location of its images, if it differs from the run's. */
    readonly data: string | undefined;
    readonly maxRejected: number | undefined;
  },
  { network, augmenter, gpus }: Session,
  output: Output,
): Promise<Neighbours[]> {
  try {
    const layer = lastHiddenLayer(network.description);
    const path = indexFile(run, layer);
    if (!(await stat(path).catch(() => undefined))) return [];
    const searched = await openImagesForRun(config, data, { maxRejected, output });
    const index = await FeatureIndex.open(path);
    try {
      const change = indexChange(index.description, await indexIdentity(config, weights, searched, layer));
      if (change !== undefined)
        throw new AlexError(`${path} is the index of ${change}. \`similar --build\` rebuilds it.`);
      const { examples, batch } = await readExampleImages(dataset, shown);
      const search = { network, augmenter, gpu: gpus[0]!, index, dataset: searched, layer };
      return drawable(examples, await similarImages(batch, search));
    } finally {
      await index.close();
    }
  } catch (error) {
    if (!(error instanceof AlexError)) throw error;
    output.line(`The report shows no similar images: ${error.message}`);
    return [];
  }
}
