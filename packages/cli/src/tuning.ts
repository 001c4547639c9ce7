import { join } from 'node:path';
import { ConfigError, type Gpu, type NetworkDescription } from '@alex/tensor';
import {
  createTuningCache,
  importTunings,
  type TuningCache,
  type TuningEffort,
  type TuningEvent,
  type TuningReport,
  type Tunings,
  tuningsOf,
} from '@alex/tensor/kernels';
import { type CompileOptions, type NetworkPart, tuneNetwork } from '@alex/tensor/network';
import { cacheFolder } from './cache-folder.js';
import { duration } from './output.js';

/** How a command finds the fastest kernels. */
export interface Tuning {
  readonly effort: TuningEffort;
  /** A file of tunings, which then replaces all others. */
  readonly file?: string | undefined;
  /** Whether the file may be for another adapter; `effort` then applies. */
  readonly otherAdapter?: boolean;
  /** Called with lines for users. */
  readonly say: (line: string) => void;
}

/** Earlier measurements, without messages. */
export const usualTuning: Tuning = { effort: 'cached', say: () => undefined };

/** A training run with this many multiply-adds justifies some seconds of measuring: minutes on a CPU. */
const worthMeasuring = 1e13;

/** The default tuning of a training run: measured if it is long enough to pay off. */
export function usualEffort(
  description: NetworkDescription,
  { batch, steps }: { readonly batch: number; readonly steps: number },
): TuningEffort {
  // Forward, and twice as much backward.
  return 3 * description.multiplyAdds * batch * steps >= worthMeasuring ? 'quick' : 'cached';
}

/** This user's tunings, if there is a folder for them. */
export function openTuningCache(say: (line: string) => void): TuningCache | undefined {
  const folder = cacheFolder();
  return folder === undefined ? undefined : createTuningCache(join(folder, 'tunings'), { onProblem: say });
}

/**
 * Makes the next network use the fastest known kernels.
 *
 * @param part the adapter's part of it, if there are others
 * @returns the tunings that it will use
 */
export async function applyTuning(
  description: NetworkDescription,
  gpu: Gpu,
  options: CompileOptions,
  tuning: Tuning,
  part?: NetworkPart,
): Promise<Tunings> {
  if (await followFile(gpu, tuning)) return tuningsOf(gpu);
  const report = await measureKernels(description, gpu, options, tuning, part);
  return report.tunings;
}

async function followFile(gpu: Gpu, { file, otherAdapter, say }: Tuning): Promise<boolean> {
  if (file === undefined) return false;
  try {
    const { driver } = await importTunings(file, gpu);
    const other = driver === gpu.description.driver ? '' : `, measured with another driver: ${driver}`;
    say(`Using the kernels listed in ${file}${other}.`);
    return true;
  } catch (error) {
    if (otherAdapter && error instanceof ConfigError) return false;
    throw error;
  }
}

/** Tunes a network's kernels and prints the results; one line per kernel if `eachKernel` is set. */
export async function measureKernels(
  description: NetworkDescription,
  gpu: Gpu,
  options: CompileOptions,
  {
    effort,
    say,
    signal,
    eachKernel = false,
  }: Pick<Tuning, 'effort' | 'say'> & { readonly signal?: AbortSignal; readonly eachKernel?: boolean },
  part?: NetworkPart,
): Promise<TuningReport> {
  const start = performance.now();
  let first = 0;
  let best = 0;
  const onEvent = (event: TuningEvent) => {
    if (event.kind === 'measuring' && event.done === 0 && !eachKernel) {
      say(`Measuring the fastest kernels on ${gpu.description.name}; the results are kept. --tune off skips this.`);
    }
    if (event.kind === 'examining' && event.done === 0) {
      say(
        `Checking ${event.of} kernels for the matrix units of ${gpu.description.name}, once for all; --tune off does without them.`,
      );
    }
    if (event.kind === 'dropped') {
      say(`${event.key}: ${JSON.stringify(event.choice)} is not used on this adapter: ${event.reason}`);
    }
    if (event.kind !== 'tuned') return;
    const { key, milliseconds, firstMilliseconds } = event;
    first += firstMilliseconds ?? milliseconds;
    best += milliseconds;
    const before =
      firstMilliseconds === undefined || firstMilliseconds === milliseconds
        ? ''
        : ` instead of ${firstMilliseconds.toFixed(2)}`;
    if (eachKernel) say(`  ${key}: ${milliseconds.toFixed(2)}${before} ms`);
  };
  const cache = openTuningCache(say);
  const report = await tuneNetwork(description, gpu, { ...options, effort, cache, signal, onEvent }, part);
  if (report.tuned.length > 0) {
    const left = report.left.length > 0 ? ` ${report.left.length} are left for the next time.` : '';
    say(
      `Tuned ${report.tuned.length} kernels in ${duration((performance.now() - start) / 1000)}: together ` +
        `${(first / best).toFixed(2)} times as fast.${left}`,
    );
  }
  return report;
}
