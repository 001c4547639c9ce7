import type { Workload } from './workloads.js';

/** What a library is asked to do, in a process of its own. */
export interface Request {
  readonly library: string;
  /** The whole name of the adapter. */
  readonly adapter: string;
  readonly workload: Workload;
  /** Times that count, after one that does not; fewer where they take long, but one at least. */
  readonly repeats: number;
}

/** What it answers. */
export interface Measurement {
  /** The time that does not count: it compiles. */
  readonly firstMs: number;
  readonly milliseconds: readonly number[];
  /** Some values of what was computed, to compare. */
  readonly sample: readonly number[];
}

export type Answer = Measurement | { readonly failure: string };

/** Libraries print what they like on standard output: an answer is the one line that begins with this. */
const mark = 'alex-benchmark ';

export function formatAnswer(answer: Answer): string {
  return `${mark}${JSON.stringify(answer)}`;
}

/** The answer among what a process printed; undefined where there is none, or only a torn one. */
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

/** JSON has no NaN: it arrives as null. */
function areNumbers(values: unknown): values is number[] {
  return Array.isArray(values) && values.every((value) => typeof value === 'number');
}
