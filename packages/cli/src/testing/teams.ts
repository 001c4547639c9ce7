import { setImmediate } from 'node:timers/promises';
import type { Cluster } from '@alex/cluster';
import { Team } from '../cluster/team.js';

type Used = Pick<Cluster, 'rank' | 'size' | 'host' | 'allGather' | 'allToAll' | 'barrier' | 'abort'>;

/** Ranks in this process: only what a team asks of a cluster. */
function clustersOf(hosts: readonly string[]) {
  const rounds: unknown[][] = [];
  const asked = hosts.map(() => 0);
  const aborted: string[] = [];
  const clusters = hosts.map((host, rank): Used => {
    const meet = async <Given>(own: Given): Promise<Given[]> => {
      const number = asked[rank]!++;
      rounds[number] ??= hosts.map(() => undefined);
      const round = rounds[number];
      round[rank] = own;
      while (round.includes(undefined)) {
        if (aborted.length > 0) throw new Error('a rank has ended all others');
        await setImmediate();
      }
      return round as Given[];
    };
    return {
      rank,
      size: hosts.length,
      host,
      allGather: (bytes: Uint8Array) => meet(bytes),
      allToAll: async (pieces) => (await meet(pieces)).map((all) => all[rank]!),
      barrier: async () => void (await meet(null)),
      abort: async (message) => {
        aborted.push(`rank ${rank}: ${message}`);
        return undefined as never;
      },
    };
  });
  return { clusters: clusters as Cluster[], aborted };
}

/** The teams of ranks in this process, one on each of these hosts. */
export async function teamsOn(...hosts: string[]) {
  const { clusters, aborted } = clustersOf(hosts);
  return { teams: await Promise.all(clusters.map((cluster) => Team.of(cluster))), aborted };
}
