import type { Dataset } from '@alex/data';
import type { HostTensor } from '@alex/tensor';
import { type Example, predictExamples } from './examples.js';
import type { Session } from './session.js';

/** What a report shows of a network. */
export interface ShownNetwork {
  readonly examples: readonly Example[];
  /** Of the first layer, where that is a convolution. */
  readonly filters: HostTensor | undefined;
}

/** Lets a network predict `count` validation images, and reads its filters. */
export async function showNetwork(
  session: Pick<Session, 'network' | 'augmenter'>,
  dataset: Dataset,
  count: number,
): Promise<ShownNetwork> {
  const examples = await predictExamples(session, dataset, count);
  const { 'conv1.weight': filters } = await session.network.parameters(['conv1.weight']);
  return { examples, filters };
}
