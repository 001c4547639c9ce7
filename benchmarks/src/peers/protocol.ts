import type { Workload } from './workloads.js';

/** A request to a library, in a separate process. */
export interface Request {
  readonly library: string;
  /** The full name of the adapter. */
  readonly adapter: string;
  readonly workload: Workload;
  /** Repeats that count, after one that does not; fewer if they take long, but at least one. */
  readonly repeats: number;
}

/** The answer. */
export interface Measurement {
  /** The first repeat, which compiles and does not count. */
  readonly firstMs: number;
  readonly milliseconds: readonly number[];
  /** Some computed values, for comparison. */
  readonly sample: readonly number[];
}

export type Answer = Measurement | { readonly failure: string };

/** Libraries print anything on standard output: the answer is the one line that begins with this. */
const mark = 'alex-benchmark ';

export function formatAnswer(answer: Answer): string {
  return `${mark}${JSON.stringify(answer)}`;
}

/** The answer in a process's output; undefined if there is none, or only a truncated one. */
export function parseAnswer(output: string): Answer | undefined {
  const line = output.split('\n').findLast((candidate) => candidate.startsWith(mark));
  if (line === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(line.slice(mark.length));
    return isAnswer(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isAnswer(value: unknown): value is Answer {
  if (typeof value !== 'object' || value === null) return false;
  if ('failure' in value) return typeof value.failure === 'string';
  const { firstMs, milliseconds, sample } = value as Partial<Measurement>;
  return typeof firstMs === 'number' && areNumbers(milliseconds) && milliseconds.length > 0 && areNumbers(sample);
}

/** JSON has no NaN, which is therefore read as null. */
function areNumbers(values: unknown): values is number[] {
  return Array.isArray(values) && values.every((value) => typeof value === 'number');
}
