import type { Dataset } from '@alex/data';
import type { HostTensor } from '@alex/tensor';
import { type Example, predictExamples } from './examples.js';
import type { Session } from './session.js';

/** The parts of a network that a report shows. */
export interface ShownNetwork {
  readonly examples: readonly Example[];
  /** Those of the first layer, if it is a convolution. */
  readonly filters: HostTensor | undefined;
}

/** Predicts `count` validation images with a network, and reads its filters. */
export async function showNetwork(
  session: Pick<Session, 'network' | 'augmenter'>,
  dataset: Dataset,
  count: number,
): Promise<ShownNetwork> {
  const examples = await predictExamples(session, dataset, count);
  const { 'conv1.weight': filters } = await session.network.parameters(['conv1.weight']);
  return { examples, filters };
}
