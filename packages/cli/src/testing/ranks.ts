// Starts the command as ranks of an MPI, and finds their processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { InstalledMpi } from '../../../cluster/src/testing.js';
import type { CommandResult } from './command.js';

/** Ranks that a launcher started, which runs in a separate process group, as in a terminal. */
export interface LaunchedRanks {
  /** The launcher. */
  readonly process: ChildProcess;
  /** Standard output is that of the launcher and the ranks, standard error included. */
  readonly ended: Promise<CommandResult>;
}

/** So many processes of the command with these arguments, and a module of the bundle to load first: `full-disk.js`. */
export type RankGroup = readonly [ranks: number, args: readonly string[], before?: string];

/**
 * Starts ranks of the command.
 *
 * @param groups with several, some ranks get other arguments than others
 * @param options.folder for temporary files and the cache; {@link processesIn} finds the processes by it
 * @param options.bundle the address of the bundled command
 */
export function launchRanks(
  mpi: InstalledMpi,
  groups: readonly RankGroup[],
  { folder, bundle }: { readonly folder: string; readonly bundle: string },
): LaunchedRanks {
  const main = fileURLToPath(`${bundle}/main.js`);
  const words = groups.flatMap(([ranks, args, before], index) => [
    ...(index > 0 ? [':'] : []),
    ...['-np', String(ranks), process.execPath],
    ...(before === undefined ? [] : ['--import', `${bundle}/${before}`]),
    ...[main, ...args],
  ]);
  const child = spawn(mpi.launcher, [...mpi.arguments, ...words], {
    env: {
      ...process.env,
      ALEX_CACHE: `${folder}/cache`,
      TMPDIR: folder,
      OMPI_ALLOW_RUN_AS_ROOT: '1',
      OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
    },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const ended = new Promise<CommandResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout: output, stderr: '' }));
  });
  return { process: child, ended };
}

/** A process of ranks. */
interface RankProcess {
  readonly pid: number;
  /** The rank that its launcher gave it; undefined for the launcher's own processes. */
  readonly rank: number | undefined;
}

/** The live processes that {@link launchRanks} started with a folder: launchers, ranks and whatever these started. */
export async function processesIn(folder: string): Promise<RankProcess[]> {
  const found: RankProcess[] = [];
  for (const name of await readdir('/proc')) {
    // The environment of a process that has ended is empty.
    const variables = (await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '')).split('\0');
    if (!variables.includes(`TMPDIR=${folder}`)) continue;
    const rank = variables.map((one) => /^(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)$/.exec(one)?.[1]).find(Boolean);
    found.push({ pid: Number(name), rank: rank === undefined ? undefined : Number(rank) });
  }
  return found;
}

/** The process ids of the ranks started with a folder, by rank, once there are as many. */
export async function ranksIn(folder: string, size: number): Promise<Map<number, number>> {
  while (true) {
    const ranks = new Map<number, number>();
    // A rank's own processes have its environment, and were started after it.
    for (const { pid, rank } of (await processesIn(folder)).sort((one, other) => other.pid - one.pid)) {
      if (rank !== undefined) ranks.set(rank, pid);
    }
    if (ranks.size === size) return ranks;
    await setImmediate();
  }
}

/** Waits until no process started with a folder is left: Open MPI ends before the ranks that it ends. */
export async function noneIn(folder: string): Promise<void> {
  while ((await processesIn(folder)).length > 0) await setImmediate();
}
