import type { Dataset } from '@alex/data';
import type { HostTensor, NetworkDescription } from '@alex/tensor';
import { type Example, predictExamples } from './examples.js';
import type { Session } from './session.js';

/** What a report shows of a network. */
export interface ShownNetwork {
  readonly examples: readonly Example[];
  /** Of the first layer, where that is a convolution of colours or greys. */
  readonly filters: HostTensor | undefined;
}

/** Lets a network predict `count` validation images, and reads its filters. */
export async function showNetwork(
  session: Pick<Session, 'network' | 'augmenter'>,
  dataset: Dataset,
  count: number,
): Promise<ShownNetwork> {
  const examples = await predictExamples(session, dataset, count);
  const path = filtersPath(session.network.description);
  const { [path ?? '']: filters } = path === undefined ? {} : await session.network.parameters([path]);
  return { examples, filters };
}

/** The name of the weights of the lowest layer that learns, where they can be seen as colours. */
export function filtersPath({ layers }: NetworkDescription): string | undefined {
  const [lowest] = layers.filter(({ parameters }) => parameters.length > 0);
  const weight = lowest?.parameters.find(({ name }) => name === 'weight');
  const [, channels] = weight?.shape ?? [];
  return weight?.shape.length === 4 && (channels === 1 || channels === 3) ? weight.path : undefined;
}
