import type { Dataset } from '@alex/data';
import type { HostTensor } from '@alex/tensor';
import { type Example, predictExamples } from './examples.js';
import { firstFilters, firstWeight } from './first-filters.js';
import type { Session } from './session.js';

/** What a report shows of a network. */
export interface ShownNetwork {
  readonly examples: readonly Example[];
  /** Of the first layer, where it has filters that can be drawn. */
  readonly filters: HostTensor | undefined;
}

/** Lets a network predict `count` validation images, and reads its filters. */
export async function showNetwork(
  session: Pick<Session, 'network' | 'augmenter'>,
  dataset: Dataset,
  count: number,
): Promise<ShownNetwork> {
  const examples = await predictExamples(session, dataset, count);
  const { description } = session.network;
  const path = firstWeight(description.layers)?.path;
  const weights = path === undefined ? {} : await session.network.parameters([path]);
  return { examples, filters: firstFilters(description, weights) };
}
