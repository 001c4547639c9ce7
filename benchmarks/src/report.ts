import type { Environment } from './environment.js';

export interface Result {
  /** `conv2/forward`, `step`, `roofline/multiply-adds`. */
  readonly name: string;
  readonly adapter: string;
  readonly medianMs: number;
  readonly fastestMs: number;
  readonly slowestMs: number;
  /** Multiply-adds a second of products, bytes a second of everything else, images a second of whole steps; null where it took no measurable time. */
  readonly rate: number | null;
  readonly unit: 'multiply-adds/s' | 'bytes/s' | 'images/s';
  /** The time the adapter would need at best, by what bounds the kernel, as a share of the time it took. */
  readonly rooflineShare: number | null;
}

export interface Report {
  readonly environment: Environment;
  readonly results: readonly Result[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
