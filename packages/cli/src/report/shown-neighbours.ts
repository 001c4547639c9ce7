import type { Dataset } from '@alex/data';
import type { Neighbours } from '@alex/report';
import { ConfigError, DataError, type HostTensor } from '@alex/tensor';
import { FeatureIndex, lastHiddenLayer, type RunConfig } from '@alex/trainer';
import { readExampleImages } from '../examples.js';
import { alexnetCommand } from '../invocation.js';
import type { Output } from '../output.js';
import type { Session } from '../session.js';
import { indexChange, indexFile, indexIdentity, similarImages } from '../similar-images.js';

/** As many as figure 4 of the paper shows, and as many beside each. */
const shown = { images: 5, neighbours: 6 };

/** A run's network with what it learnt, on an adapter. */
interface Learnt extends Pick<Session, 'network' | 'augmenter' | 'gpus'> {
  readonly run: string;
  readonly config: RunConfig;
  readonly weights: Readonly<Record<string, HostTensor>>;
}

/**
 * Some validation images beside the training images most similar to each, where the run has an index of these; says what makes one where
 * it has none.
 */
export async function neighboursOf(
  { network, augmenter, gpus, run, config, weights }: Learnt,
  dataset: Dataset,
  output: Output,
): Promise<Neighbours[]> {
  const layer = lastHiddenLayer(network.description);
  const identity = await indexIdentity(config, weights, dataset, layer);
  const index = await openIndex(indexFile(run, layer));
  try {
    if (!index || indexChange(index.description, identity) !== undefined) {
      const build = alexnetCommand(['similar', '--run', run, '--build']);
      output.line(
        `The report shows no similar images: ${index ? 'the index of the training images is of something else' : 'there is no index of the training images'}; \`${build}\` makes it.`,
      );
      return [];
    }
    const { examples, batch } = await readExampleImages(dataset, shown.images);
    const found = await similarImages(batch, {
      ...{ network, augmenter, gpu: gpus[0]!, index, dataset, layer, count: shown.neighbours },
    });
    return examples.map(({ image, label }, i) => ({
      image,
      nearest: found[i]!.map((one) => one.image),
      labels: [label, ...found[i]!.map((one) => one.label)],
    }));
  } finally {
    await index?.close();
  }
}

/** Nothing where there is none that can be used. */
async function openIndex(path: string): Promise<FeatureIndex | undefined> {
  try {
    return await FeatureIndex.open(path);
  } catch (error) {
    if (error instanceof ConfigError || error instanceof DataError) return undefined;
    throw error;
  }
}
