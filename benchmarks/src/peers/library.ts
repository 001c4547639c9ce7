import type { Gpu, HostTensor } from '@alex/tensor';
import type { Workload } from './workloads.js';

/** A workload that is ready to run, again and again. */
export interface Run {
  /** Once through: ends when the adapter is done. */
  once(): Promise<void>;
  /** What came out, in outside layout (row-major, NCHW, OIHW). Of steps: the loss of each so far. */
  outcome(): Promise<readonly HostTensor[]>;
}

/** One way to compute the workloads on an adapter that is open. */
export type Library = (gpu: Gpu) => Promise<(workload: Workload, times: number) => Promise<Run>>;
