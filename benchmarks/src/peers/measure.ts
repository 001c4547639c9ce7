import { median } from '../median.js';
import type { Answer, Request } from './protocol.js';
import { expectedSample } from './reference.js';
import { multiplyAddsOf, type Workload } from './workloads.js';

/** The result of one library for one workload. */
export interface PeerResult {
  readonly workload: string;
  readonly library: string;
  readonly adapter: string;
  /** Time of the first repeat, which compiles; this and the next four are null if it failed. */
  readonly firstMs: number | null;
  readonly medianMs: number | null;
  readonly fastestMs: number | null;
  readonly slowestMs: number | null;
  /** Multiply-adds per second; for whole steps, images per second. */
  readonly rate: number | null;
  readonly unit: 'multiply-adds/s' | 'images/s';
  /** Its time divided by Alex's; null if either failed. */
  readonly ratio: number | null;
  /**
   * The largest difference of its values from float64 loops (for a whole step: of its losses from Alex's), as a
   * fraction of the largest value.
   */
  readonly error: number | null;
  readonly failure?: string;
}

export interface PeerOptions {
  readonly libraries: readonly string[];
  readonly workloads: Readonly<Record<string, Workload>>;
  readonly adapter: string;
  readonly repeats: number;
  readonly ask: (request: Request) => Promise<Answer>;
  /** Called for each result as soon as it is available: some take minutes. */
  readonly onResult?: (result: PeerResult) => void;
}

/** A library beyond this computes something else. Losses of several steps accumulate rounding. */
const tolerances = { values: 1e-4, losses: 1e-2 };

/** Runs Alex and then the others on each workload, one process after another. */
export async function measurePeers(options: PeerOptions): Promise<PeerResult[]> {
  const { adapter, repeats, ask, onResult } = options;
  const results: PeerResult[] = [];
  for (const [name, workload] of Object.entries(options.workloads)) {
    const answers = new Map<string, Answer>();
    for (const library of ['alex', ...options.libraries]) {
      answers.set(library, await ask({ library, adapter, workload, repeats }));
      const result = peerResult({ name, workload, library, adapter, answers });
      results.push(result);
      onResult?.(result);
    }
  }
  return results;
}

interface Asked {
  readonly name: string;
  readonly workload: Workload;
  readonly library: string;
  readonly adapter: string;
  readonly answers: ReadonlyMap<string, Answer>;
}

function peerResult({ name, workload, library, adapter, answers }: Asked): PeerResult {
  const what = {
    workload: name,
    library,
    adapter,
    unit: workload.kind === 'step' ? ('images/s' as const) : ('multiply-adds/s' as const),
  };
  const nothing = {
    ...{ firstMs: null, medianMs: null, fastestMs: null, slowestMs: null, rate: null, ratio: null, error: null },
  };
  const answer = answers.get(library)!;
  if ('failure' in answer) return { ...what, ...nothing, failure: answer.failure };
  const ours = answers.get('alex')!;
  const expected = workload.kind === 'step' ? ('failure' in ours ? undefined : ours.sample) : expectedSample(workload);
  const error = expected ? shareOff(answer.sample, expected) : null;
  const tolerance = workload.kind === 'step' ? tolerances.losses : tolerances.values;
  if (error !== null && !(error <= tolerance)) {
    return { ...what, ...nothing, error, failure: `gives different results: off by ${error.toExponential(1)}` };
  }
  const { firstMs, milliseconds } = answer;
  const medianMs = median(milliseconds);
  const work = workload.kind === 'step' ? workload.batch : multiplyAddsOf(workload);
  return {
    ...what,
    firstMs,
    medianMs,
    fastestMs: Math.min(...milliseconds),
    slowestMs: Math.max(...milliseconds),
    rate: work / (medianMs / 1000),
    ratio: 'failure' in ours ? null : medianMs / median(ours.milliseconds),
    error,
  };
}

/** The largest difference as a fraction of the largest value. For losses, one library may have taken fewer steps. */
function shareOff(values: readonly number[], expected: readonly number[]): number {
  const common = Math.min(values.length, expected.length);
  if (common === 0) return Infinity;
  const gaps = expected.slice(0, common).map((value, index) => Math.abs(value - values[index]!));
  return Math.max(...gaps) / Math.max(...expected.slice(0, common).map(Math.abs));
}
