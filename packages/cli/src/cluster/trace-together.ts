import type { Dataset } from '@alex/data';
import { ConfigError, type DispatchTiming } from '@alex/tensor';
import type { RunConfig } from '@alex/trainer';
import type { Session } from '../session.js';
import { adapterNames, profileStep, traceEvents, writeTrace } from '../trace.js';
import { clockOffsets } from './clocks.js';
import type { Team } from './team.js';

/** What a rank has traced, by the clock of rank 0. */
interface RankTrace {
  readonly adapters: readonly string[];
  readonly timings: readonly DispatchTiming[];
}

/**
 * Writes a trace of the work of all ranks' adapters in a step, on one time line, on rank 0.
 *
 * @returns how exactly the clocks of the ranks are known, in milliseconds
 * @throws TeamFailure if an adapter has no timestamps, or the file cannot be written
 */
export async function traceTogether(
  team: Team,
  session: Session,
  dataset: Dataset,
  config: RunConfig,
  file: string,
): Promise<number> {
  await team.together(async () => {
    if (session.gpus.every(({ features }) => features.has('timestamp-query'))) return;
    throw new ConfigError('--trace: this adapter has no timestamps (feature timestamp-query)');
  });
  const { rank } = team.cluster;
  const clocks = await clockOffsets(team.cluster);
  const timings = await profileStep(session, dataset, config);
  const own: RankTrace = {
    adapters: adapterNames(session).map((name) => `rank ${rank} on ${team.hosts[rank]}: ${name}`),
    timings: timings.map((timing) => ({ ...timing, start: timing.start + clocks[rank]!.offset })),
  };
  const all = await team.cluster.gather(Buffer.from(JSON.stringify(own)));
  await team.onFirst(() => writeTrace(file, joined(all.map((bytes) => JSON.parse(Buffer.from(bytes).toString())))));
  return Math.max(...clocks.map(({ within }) => within));
}

/** The events of all ranks, whose adapters are numbered together. */
export function joined(ranks: readonly RankTrace[]): object[] {
  const adapters: string[] = [];
  const timings: DispatchTiming[] = [];
  for (const one of ranks) {
    const first = adapters.length;
    for (const { adapter = 0, from, ...timing } of one.timings) {
      timings.push({ ...timing, adapter: first + adapter, ...(from !== undefined && { from: first + from }) });
    }
    adapters.push(...one.adapters);
  }
  return traceEvents(timings, adapters);
}
