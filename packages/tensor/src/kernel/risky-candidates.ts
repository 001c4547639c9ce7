import type { Gpu } from '../adapter/gpu.js';
import type { Tunable } from './recorder.js';
import type { TrialProcess } from './trial-process.js';
import { avoidOn, tuningKey, whyAvoided } from './tunable.js';
import type { TuningCache } from './tuning-cache.js';

/** How risky candidates are handled. */
export interface Precautions {
  /** Where they are tried first. */
  readonly trialProcess: TrialProcess;
  /** Where avoided candidates are stored. */
  readonly cache?: TuningCache | undefined;
  readonly signal?: AbortSignal | undefined;
  onDropped(choice: unknown, reason: string): void;
}

/**
 * The candidates that may run in this process: those that are not risky, and those that gave correct results in another
 * process. One that crashed that process, lost the adapter or never ended is stored immediately and never tried again.
 */
export async function safeCandidates(
  gpu: Gpu,
  tunable: Tunable<unknown>,
  candidates: readonly unknown[],
  { trialProcess, cache, signal, onDropped }: Precautions,
): Promise<unknown[]> {
  const key = tuningKey(tunable);
  const safe = new Set(candidates.filter((choice) => !tunable.isRisky?.(choice)));
  const untried: unknown[] = [];
  for (const choice of candidates) {
    if (safe.has(choice)) continue;
    const reason = whyAvoided(gpu, tunable, choice);
    if (reason === undefined) untried.push(choice);
    else onDropped(choice, `${reason}; it will never be tried again`);
  }
  if (untried.length > 0) {
    for await (const { choice, fault, dangerous } of trialProcess.try(tunable, untried, signal)) {
      if (dangerous) {
        const avoided = [[key, [{ choice, reason: fault! }]]] as const;
        avoidOn(gpu, avoided);
        await cache?.avoid(gpu.description, new Map(avoided));
      }
      if (fault === undefined) safe.add(choice);
      else onDropped(choice, fault);
    }
  }
  return candidates.filter((choice) => safe.has(choice));
}
