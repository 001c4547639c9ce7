import { access } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import {
  type MakeShardsOptions,
  makeShards,
  type Preparation,
  type PrepareOptions,
  prepareDataset,
  type ShardTask,
} from '@alex/data';
import { AlexError, DataError } from '@alex/tensor';
import { gatherNumbers } from '@alex/trainer';
import { TeamFailure } from '../failure.js';
import type { Team } from './team.js';

/** Shards that each rank makes before all meet again: divides well among the processes of a rank, and takes a minute or two. */
const shardsOfRound = 6;

/** A preparation was stopped by a signal to any of its ranks. */
export class Stopped extends AlexError {}

/**
 * Prepares data on several ranks: rank 0 lists the source, plans, and writes the manifest; shards are made by all ranks, in rounds,
 * with the files of rank 0's machine, which all can reach. The bytes are those that one process makes.
 *
 * @returns on rank 0
 * @throws TeamFailure; Stopped on all ranks if a signal to one of them stops it
 */
export async function prepareTogether(team: Team, options: PrepareOptions): Promise<Preparation | undefined> {
  const rounds = new Rounds(team, options);
  if (!team.isFirst) {
    while (await rounds.follow());
    return team.onFirst(() => Promise.reject(new Error('only rank 0 finishes')));
  }
  const outcome = await prepareDataset({ ...options, make: (tasks, made) => rounds.lead(tasks, made) }).then(
    (preparation) => () => preparation,
    (error: unknown) => () => {
      throw error;
    },
  );
  // All ranks have left.
  if (rounds.haveFailed) return outcome();
  await rounds.end();
  return team.onFirst(async () => outcome());
}

/** What a round comes to on one rank. */
interface Made {
  readonly images: number;
  readonly rejected: number;
}

/** Rounds of making shards: rank 0 gives every rank some, and all meet when they are made. */
class Rounds {
  readonly #team: Team;
  readonly #signal: AbortSignal | undefined;
  readonly #workers: number;
  /** Whether a round failed, which all ranks know. */
  haveFailed = false;

  constructor(team: Team, { signal, workers }: Pick<PrepareOptions, 'signal' | 'workers'>) {
    this.#team = team;
    this.#signal = signal;
    // Ranks on one machine share its cores.
    const ranksHere = team.hosts.filter((host) => host === team.cluster.host).length;
    this.#workers = workers ?? Math.max(1, Math.floor(availableParallelism() / ranksHere));
  }

  /** On rank 0: has all ranks make these shards. */
  async lead(tasks: readonly ShardTask[], { onImages, onShard }: MakeShardsOptions): Promise<void> {
    const { size } = this.#team.cluster;
    for (let first = 0; first < tasks.length; first += shardsOfRound * size) {
      const round = tasks.slice(first, first + shardsOfRound * size);
      // Consecutive ones: archives are read in order.
      const bound = (rank: number) => Math.ceil((round.length * rank) / size);
      const shares = Array.from({ length: size }, (_, rank) => round.slice(bound(rank), bound(rank + 1)));
      await this.#team.cluster.allToAll(shares.map((share) => serialize(share)));
      const made = await this.#make(shares[0]!, onImages);
      await this.#checkShared(shares);
      for (const [rank, one] of made.entries()) {
        if (rank > 0) onImages(one.images + one.rejected);
        onShard(one);
      }
    }
  }

  /** On the other ranks: makes what rank 0 gives, unless there is nothing more to do. */
  async follow(): Promise<boolean> {
    const { size } = this.#team.cluster;
    const [share] = await this.#team.cluster.allToAll(Array.from({ length: size }, () => new Uint8Array()));
    if (share!.length === 0) return false;
    await this.#make(deserialize(share!) as ShardTask[]);
    await this.#checkShared([]);
    return true;
  }

  /** On rank 0: tells the others that there is nothing more to do. */
  async end(): Promise<void> {
    await this.#team.cluster.allToAll(Array.from({ length: this.#team.cluster.size }, () => new Uint8Array()));
  }

  /** Makes this rank's shards of a round; returns what each rank has made. */
  async #make(share: readonly ShardTask[], onImages: (count: number) => void = () => undefined): Promise<Made[]> {
    const own = { images: 0, rejected: 0 };
    const isStopped = await this.#together(async () => {
      const onShard = ({ images, rejected }: Made) => {
        own.images += images;
        own.rejected += rejected;
      };
      try {
        await makeShards(share, { workers: this.#workers, signal: this.#signal, onImages, onShard });
        return false;
      } catch (error) {
        if (this.#signal?.aborted) return true;
        throw error;
      }
    });
    const all = await gatherNumbers(this.#team.cluster, [Number(isStopped), own.images, own.rejected]);
    if (all.some(([stopped]) => stopped === 1)) {
      this.haveFailed = true;
      throw new Stopped('stopped; finished shards are kept');
    }
    return all.map(([, images, rejected]) => ({ images: images!, rejected: rejected! }));
  }

  /** Other machines may have another disk at the same path. */
  #checkShared(shares: readonly (readonly ShardTask[])[]): Promise<unknown> {
    return this.#together(async () => {
      for (const [rank, share] of shares.entries()) {
        for (const { directory, shard } of share) {
          await access(join(directory, shard)).catch(() => {
            throw new DataError(
              `${join(directory, shard)} was made by rank ${rank} on ${this.#team.hosts[rank]}, but is not there on ${this.#team.cluster.host}: ` +
                'give a folder that all machines share',
            );
          });
        }
      }
    });
  }

  async #together<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await this.#team.together(work);
    } catch (error) {
      if (error instanceof TeamFailure) this.haveFailed = true;
      throw error;
    }
  }
}
