import { join } from 'node:path';

export const METRICS = 'metrics.jsonl';
export const PROVENANCE = 'provenance.jsonl';
export const CHECKPOINTS = 'checkpoints';
/** The last address of a run's dashboard. */
export const DASHBOARD = 'dashboard.json';
/** The information about a diverged training run. */
export const DIVERGENCE = 'divergence.json';
export const TUNINGS = 'tunings.json';

/** The file with the kernels of a run's network: a resumed run needs the same ones for the same bits. */
export function tuningsOfRun(path: string): string {
  return join(path, TUNINGS);
}
