import type { Cluster } from '@alex/cluster';
import { ElsewhereError } from '@alex/trainer';
import { describeFailure, exitCode, TeamFailure } from '../failure.js';

/** How work ended on a rank that failed. */
interface Outcome {
  readonly message: string;
  readonly code: number;
}

/** The processes that run one command together, as one of them sees them: ranks, of which rank 0 writes and prints. */
export class Team {
  readonly cluster: Cluster;
  /** The machine of each rank. */
  readonly hosts: readonly string[];

  private constructor(cluster: Cluster, hosts: readonly string[]) {
    this.cluster = cluster;
    this.hosts = hosts;
  }

  static async of(cluster: Cluster): Promise<Team> {
    const hosts = await cluster.allGather(Buffer.from(cluster.host));
    return new Team(
      cluster,
      hosts.map((bytes) => Buffer.from(bytes).toString()),
    );
  }

  get isFirst(): boolean {
    return this.cluster.rank === 0;
  }

  /** The number of this process among those on its machine, from 0. */
  get localRank(): number {
    const { rank, host } = this.cluster;
    return this.hosts.slice(0, rank).filter((one) => one === host).length;
  }

  /** `4 processes on 2 machines (alpha: 0, 1; beta: 2, 3)`. */
  describe(): string {
    const machines = [...new Set(this.hosts)];
    const ranksOn = (machine: string) => this.hosts.flatMap((host, rank) => (host === machine ? [rank] : []));
    const each = machines.map((machine) => `${machine}: ${ranksOn(machine).join(', ')}`).join('; ');
    const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;
    const processes = this.hosts.length === 1 ? '1 process' : `${this.hosts.length} processes`;
    return `${processes} on ${count(machines.length, 'machine')} (${each})`;
  }

  /**
   * Does something on every rank. If it fails on any, it fails on all, with one message.
   *
   * @throws TeamFailure
   */
  async together<Result>(work: () => Promise<Result>): Promise<Result> {
    const own = await work().then(
      (result) => ({ result }),
      (error: unknown) => ({ outcome: outcomeOf(error) }),
    );
    const outcomes = await this.#gather('outcome' in own ? own.outcome : undefined);
    if ('result' in own && outcomes.every((outcome) => outcome === undefined)) return own.result;
    throw this.failure(outcomes);
  }

  /** Does something on rank 0 only, and returns its result there; nothing on other ranks. A failure is one on all ranks. */
  onFirst<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
    return this.together(async () => (this.isFirst ? work() : undefined));
  }

  /** Gives every rank the bytes of rank 0. */
  async fromFirst(bytes: Uint8Array | undefined): Promise<Uint8Array> {
    const [first] = await this.cluster.allGather(bytes ?? new Uint8Array());
    return first!;
  }

  /**
   * Compares what must be the same on all ranks.
   *
   * @param facts each with its name in messages
   * @throws TeamFailure that names the ranks which differ from rank 0
   */
  async checkAlike(facts: Readonly<Record<string, string>>): Promise<void> {
    const all = await this.#gather<Readonly<Record<string, string>>>(facts);
    for (const what of Object.keys(facts)) {
      const values = all.map((one) => one?.[what]);
      const others = values.flatMap((value, rank) => (value === values[0] ? [] : [rank]));
      if (others.length === 0) continue;
      const named = others.map((rank) => `${values[rank]} on rank ${rank} (${this.hosts[rank]})`).join(', ');
      const message = `the ranks do not agree on ${what}: ${values[0]} on rank 0 (${this.hosts[0]}), ${named}; start all of them with the same command and version`;
      throw new TeamFailure(message, exitCode.wrongUse, !this.isFirst);
    }
  }

  /** The one failure of outcomes of all ranks. */
  failure(outcomes: readonly (Outcome | undefined)[]): TeamFailure {
    const failed = outcomes.flatMap((outcome, rank) => (outcome ? [{ ...outcome, rank }] : []));
    const messages = [...new Set(failed.map(({ message }) => message))];
    const isEverywhere = failed.length === this.hosts.length && messages.length === 1;
    const onRanks = (message: string) =>
      failed.flatMap((one) => (one.message === message ? [`rank ${one.rank} on ${this.hosts[one.rank]}`] : []));
    // What fails on rank 0 alone fails for everybody: only rank 0 does such work.
    const isOfFirst = failed.length === 1 && failed[0]!.rank === 0;
    const message =
      isEverywhere || isOfFirst
        ? messages[0]!
        : messages.map((message) => `${onRanks(message).join(', ')}: ${message}`).join('; ');
    const code = Math.max(...failed.map(({ code }) => code));
    return new TeamFailure(message, code, !this.isFirst);
  }

  /** Ends all ranks because of an error that the others do not know. */
  async end(error: unknown): Promise<never> {
    // The rank that failed ends this one, after its message.
    if (error instanceof ElsewhereError) await this.cluster.barrier().catch(() => undefined);
    return this.cluster.abort(error instanceof ElsewhereError ? undefined : outcomeOf(error).message);
  }

  async #gather<Value>(own: Value | undefined): Promise<(Value | undefined)[]> {
    const all = await this.cluster.allGather(Buffer.from(own === undefined ? '' : JSON.stringify(own)));
    return all.map((bytes) => (bytes.length === 0 ? undefined : (JSON.parse(Buffer.from(bytes).toString()) as Value)));
  }
}

function outcomeOf(error: unknown): Outcome {
  const { line = 'error: failed', code } = describeFailure(error);
  return { message: line.replace(/^error: /, ''), code };
}
