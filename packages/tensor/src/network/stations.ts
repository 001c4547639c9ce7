import { Exchange } from '../kernel/exchange.js';
import type { Program } from '../kernel/program.js';
import type { GPUCommandEncoder } from '../platform/webgpu.js';
import type { NetworkDescription } from './description.js';
import { explainFailure } from './failure.js';
import type { ProgramOptions } from './network-tensors.js';
import { RankMessages, type Ranks } from './ranks.js';
import { type PlacedPart, Station } from './station.js';
import type { Turns } from './turns.js';

/** All adapters of a network, and their joint operations. */
export class Stations {
  readonly all: readonly Station[];
  /** The exchange between adapters and ranks; undefined for a single one. */
  readonly exchange: Exchange | undefined;
  readonly #name: string;
  readonly #turns: Turns;
  readonly #along: { dispose(): void }[] = [];
  readonly #rankMessages: RankMessages | undefined;

  constructor(description: NetworkDescription, placed: readonly PlacedPart[], options: ProgramOptions, turns: Turns) {
    this.#name = description.name;
    this.#turns = turns;
    const gpus = placed.map(({ gpu }) => gpu);
    this.#rankMessages = options.ranks && rankMessages(description, options, options.ranks);
    const exchange = gpus.length > 1 || this.#rankMessages ? new Exchange(gpus, this.#rankMessages?.make) : undefined;
    this.exchange = exchange;
    this.all = placed.map((part, self) => new Station(description, part, options, exchange && { exchange, self }));
  }

  /** The adapter from which results are read: all have the same. */
  get first(): Station {
    return this.all[0]!;
  }

  /**
   * Runs a program on each adapter. `begun` resolves when all have submitted their first piece of work, `done` when all
   * have submitted the last.
   */
  run(
    programs: readonly Program[],
    scalars: Readonly<Record<string, number>>,
    what: string,
    afterwards?: (encoder: GPUCommandEncoder) => void,
  ): { readonly begun: Promise<unknown>; readonly done: Promise<unknown> } {
    const begins: Promise<void>[] = [];
    const runs = programs.map(async (program, index) => {
      let begun!: () => void;
      begins.push(new Promise((resolve) => (begun = resolve)));
      this.all[index]!.gpu.check();
      await program.run(scalars, { begun, ...(index === 0 && afterwards && { afterwards }) });
    });
    const done = this.together(what, runs);
    // If one fails, it may never begin.
    const begun = Promise.race([Promise.all(begins), done]);
    // A caller that waits for either promise sees the failure; possibly nobody waits for the other one.
    for (const promise of [begun, done]) promise.catch(() => undefined);
    return { begun, done };
  }

  /**
   * Must be called before running a program that sends gradients to the other ranks; resolves when all of them are in transit.
   * Does nothing without other ranks.
   */
  beginSums(): Promise<void> | undefined {
    return this.#rankMessages?.begin();
  }

  /**
   * Waits for a joint operation of several adapters. If one fails, all stop permanently, because they are no longer in the same
   * state.
   */
  async together<Result>(what: string, work: readonly Promise<Result>[]): Promise<Result[]> {
    if (!this.exchange) return Promise.all(work);
    try {
      return await Promise.all(work);
    } catch (error) {
      if (this.#turns.end) throw this.#turns.end;
      const gpus = this.all.map(({ gpu }) => gpu);
      const failure = await explainFailure(`${this.#name}, ${what}`, gpus, error);
      this.stop(failure);
      await Promise.allSettled(work);
      throw failure;
    }
  }

  /** Disposes a resource together with the stations. */
  disposeAlong<Resource extends { dispose(): void }>(resource: Resource): Resource {
    this.#along.push(resource);
    return resource;
  }

  /** Refuses every operation from now on and frees all memory. */
  stop(reason: Error): void {
    if (!this.#turns.stop(reason)) return;
    this.exchange?.fail(reason);
    this.exchange?.dispose();
    for (const resource of this.#along) resource.dispose();
    for (const station of this.all) station.dispose();
  }
}

/** Gradients become means over all micro-batches of all ranks; the layers' state becomes the mean over the ranks. */
function rankMessages(
  description: NetworkDescription,
  { microBatches = 1 }: ProgramOptions,
  ranks: Ranks,
): RankMessages {
  const states = new Set(description.layers.flatMap(({ state }) => state.map(({ path }) => path)));
  return new RankMessages(ranks, (label) => 1 / (states.has(label) ? ranks.size : ranks.size * microBatches));
}
