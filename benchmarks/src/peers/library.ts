import type { Gpu, HostTensor } from '@alex/tensor';
import type { Workload } from './workloads.js';

/** A workload that is ready to run repeatedly. */
export interface Run {
  /** Runs once: resolves when the adapter is done. */
  once(): Promise<void>;
  /** The results, in the public layout (row-major, NCHW, OIHW). For steps: the loss of each so far. */
  outcome(): Promise<readonly HostTensor[]>;
}

/** An implementation of the workloads for an open adapter. */
export type Library = (gpu: Gpu) => Promise<(workload: Workload, times: number) => Promise<Run>>;
