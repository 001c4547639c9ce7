import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { ConfigError } from '@alex/tensor';
import { TeamFailure } from '../failure.js';
import { createOutput, type Output } from '../output.js';
import { Team } from './team.js';

/** Options of commands that several processes can run together. */
export interface ClusterOptions {
  /** How the processes find each other. */
  readonly cluster?: 'mpi';
  /** How gradients travel. Default: `float32`. */
  readonly clusterPrecision?: 'float32' | 'float16';
  /** Longest wait for the other processes, in seconds. */
  readonly clusterTimeLimit?: number;
}

/**
 * Runs a command, with `--cluster` as one of the processes that a launcher started together. Rank 0 prints; what the
 * others say goes into a log once they have one.
 *
 * @param work gets no team without `--cluster`
 * @throws ConfigError if a launcher started several processes and `--cluster` is missing, or an option for it is given without it
 */
export async function withTeam<Result>(
  options: ClusterOptions,
  output: Output,
  work: (output: Output, team: Team | undefined, log: RankLog | undefined) => Promise<Result>,
): Promise<Result> {
  const { openCluster, launchedRanks } = await import('@alex/cluster');
  const { cluster: kind, clusterPrecision, clusterTimeLimit } = options;
  if (kind === undefined) {
    const needing = Object.entries({
      '--cluster-precision': clusterPrecision,
      '--cluster-time-limit': clusterTimeLimit,
    });
    for (const [option, value] of needing) {
      if (value !== undefined) throw new ConfigError(`${option} needs --cluster mpi, and changes nothing without it`);
    }
    if (launchedRanks() > 1) {
      throw new ConfigError(
        `a launcher started ${launchedRanks()} processes of this command; add --cluster mpi to have them work together`,
      );
    }
    return work(output, undefined, undefined);
  }
  const cluster = await openCluster(clusterTimeLimit === undefined ? {} : { timeLimit: clusterTimeLimit });
  const team = await Team.of(cluster);
  const log = team.isFirst ? undefined : new RankLog(cluster.rank);
  const own = log ? createOutput({}, { stdout: log, stderr: output.errors }) : output;
  try {
    const result = await work(own, team, log);
    await cluster.close();
    return result;
  } catch (error) {
    if (!(error instanceof TeamFailure)) return team.end(error);
    await cluster.close();
    throw error;
  }
}

/** The log of a rank other than 0: lines are kept until it has a file. */
export class RankLog extends Writable {
  readonly #name: string;
  #waiting = '';
  #file: string | undefined;

  constructor(rank: number) {
    super({ decodeStrings: false });
    this.#name = `rank-${rank}.log`;
  }

  /** Starts the file, in the directory of the run as this machine sees it. */
  open(run: string): void {
    this.#file = join(run, this.#name);
    this.#append(this.#waiting);
    this.#waiting = '';
  }

  override _write(text: string, _encoding: string, done: (error?: Error) => void): void {
    if (this.#file === undefined) this.#waiting += text;
    else this.#append(text);
    done();
  }

  #append(text: string): void {
    try {
      mkdirSync(dirname(this.#file!), { recursive: true });
      appendFileSync(this.#file!, text);
    } catch {
      // A log is not worth losing a training run.
    }
  }
}
