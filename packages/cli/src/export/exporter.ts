import type { HostTensor, NetworkDescription } from '@alex/tensor';
import type { RunConfig } from '@alex/trainer';

/** A trained network to be written for other programs. */
export interface NetworkToExport {
  readonly config: RunConfig;
  readonly description: NetworkDescription;
  /** By dotted name. */
  readonly weights: Readonly<Record<string, HostTensor>>;
}

/** How it is to be written. */
export interface ExportChoice {
  readonly to: string;
  /** Whether the nodes that prepare images are included. */
  readonly withPreprocessing: boolean;
}

/** What was written. */
export interface Exported {
  /** The file first, then the files next to it. */
  readonly files: readonly string[];
  /** What a user of it has to know: one sentence each. */
  readonly remarks: readonly string[];
}

/** Writes a network in a format. */
export type Exporter = (network: NetworkToExport, choice: ExportChoice) => Promise<Exported>;
