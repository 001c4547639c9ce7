import type { DescribedLayer, HostTensor } from '@alex/tensor';
import type { GraphWriter } from './graph-writer.js';

/** What the writer of a layer gets. */
export interface WriteLayer {
  readonly graph: GraphWriter;
  readonly described: Pick<DescribedLayer, 'layer' | 'inputShape' | 'outputShape'>;
  /** The name of the value that it reads. */
  readonly input: string;
  /** `weight`, `bias`. */
  readonly parameters: Readonly<Record<string, HostTensor>>;
}

/** Writes a layer; returns the name of its output. */
export type LayerWriter = (values: WriteLayer) => string;
