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
  /**
   * Multiply-adds per second of products, bytes per second of everything else, images per second of whole steps; null if it took
   * no measurable time.
   */
  readonly rate: number | null;
  readonly unit: 'multiply-adds/s' | 'bytes/s' | 'images/s';
  /** The least time that the adapter would need, given what bounds the kernel, as a fraction of the time it took. */
  readonly rooflineShare: number | null;
  /** The limit that takes the adapter longer. */
  readonly boundBy?: 'multiply-adds' | 'copy';
  /** For products: their rate as a fraction of the best rate of multiply-adds, whatever bounds them. */
  readonly multiplyAddShare?: number;
  /**
   * CPU time of the process's threads divided by the number of cores, which other work on the machine does not affect.
   * The fastest repeat.
   */
  readonly processorMs?: number;
  /**
   * For loading: the rate by CPU time, as a fraction of the decoder's alone; for a training step on loaded images: the
   * fraction spent waiting. For an exchange: its best rate as a fraction of the plain loop's.
   */
  readonly share?: number;
  /** The medians of its dispatches by label, if there are several. */
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

/** The images per second of a whole step. */
export function stepResult(adapter: string, name: string, batch: number, milliseconds: readonly number[]): Result {
  const times = timesOf(milliseconds);
  return { name, adapter, ...times, rate: batch / (times.medianMs / 1000), unit: 'images/s', rooflineShare: null };
}
