import type { Environment } from './environment.js';
import { median } from './median.js';
import type { PeerResult } from './peers/measure.js';

export interface Result {
  /** `conv2/forward`, `step`, `roofline/multiply-adds`, `layers/conv2/forward`, `loading/2 workers`. */
  readonly name: string;
  readonly adapter: string;
  readonly medianMs: number;
  readonly fastestMs: number;
  readonly slowestMs: number;
  /** Multiply-adds per second of products, bytes per second of everything else, images per second of whole steps; null where it took no measurable time. */
  readonly rate: number | null;
  readonly unit: 'multiply-adds/s' | 'bytes/s' | 'images/s';
  /** The time the adapter would need at best, by what bounds the kernel, as a share of the time it took. */
  readonly rooflineShare: number | null;
  /** What would take the adapter longer at best. */
  readonly boundBy?: 'multiply-adds' | 'copy';
  /** Of products: their rate as a share of the best rate of multiply-adds, whatever bounds them. */
  readonly multiplyAddShare?: number;
  /** What the threads of the process worked, by the cores: other work on the machine does not count. The fastest repeat. */
  readonly processorMs?: number;
  /** Of loading: the rate by the processor's time, as a share of the decoder's alone; of a training step on what is loaded: the share of it that waits. Of an exchange: its best rate as a share of the plain loop's. */
  readonly share?: number;
  /** The medians of its dispatches by label, where it is several. */
  readonly dispatches?: Readonly<Record<string, number>>;
}

export interface Report {
  readonly environment: Environment;
  readonly results: readonly Result[];
  readonly peers?: readonly PeerResult[];
}

/** Median and spread of repeated timings. */
export function timesOf(milliseconds: readonly number[]): Pick<Result, 'medianMs' | 'fastestMs' | 'slowestMs'> {
  return {
    medianMs: median(milliseconds),
    fastestMs: Math.min(...milliseconds),
    slowestMs: Math.max(...milliseconds),
  };
}
