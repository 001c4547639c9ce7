import { measureRates, predictAlone, predictSteps } from '@alex/multi-gpu';
import { gatherNumbers, type Origin, type RunConfig, type TrainingEvent, type TrainingRanks } from '@alex/trainer';
import type { Output } from '../output.js';
import type { Session } from '../session.js';
import type { Team } from './team.js';
import type { RankLog } from './with-team.js';

/** The predicted seconds of a step: of all ranks together, and of one process alone with the whole batch. */
export interface PredictedStep {
  readonly seconds: number;
  readonly aloneSeconds: number;
}

/** The ranks of a team as a training run sees them, with what is measured of them. */
export class TeamRanks implements TrainingRanks {
  readonly team: Team;
  /** Where this rank's output goes, unless it is rank 0. */
  readonly log: RankLog | undefined;
  readonly speed = new StepClock();
  readonly #wire: 'float32' | 'float16';

  /** @param wire how gradients travel */
  constructor(team: Team, log: RankLog | undefined, wire: 'float32' | 'float16' = 'float32') {
    this.team = team;
    this.log = log;
    this.#wire = wire;
  }

  get rank(): number {
    return this.team.cluster.rank;
  }

  get size(): number {
    return this.team.cluster.size;
  }

  sum(values: Float32Array<SharedArrayBuffer>, { factor }: { readonly factor: number }): Promise<unknown> {
    return this.team.cluster.sum(values, { factor, wire: this.#wire });
  }

  allGather(bytes: Uint8Array): Promise<Uint8Array[]> {
    return this.team.cluster.allGather(bytes);
  }

  /** Measures the adapters and an all-reduce of the gradients on all ranks, and prints what they make of a step. */
  async predict(session: Session, { recipe }: RunConfig, output: Output): Promise<PredictedStep | undefined> {
    output.line(`Training together: ${this.team.describe()}.`);
    if (this.size === 1) return undefined;
    const { description } = session.network;
    // Ranks on one machine share its cores, so all measure at the same time; a step waits for the slowest.
    const own = await measureRates(session.gpus);
    const ownRate = own.multiplyAddsPerSecond.reduce((sum, rate) => sum + rate, 0);
    const reduce = await this.#secondsToAllReduce(description.parameterCount);
    const all = await gatherNumbers(this, [ownRate, reduce]);
    const [rate, allReduceSeconds] = [Math.min(...all.map(([rate]) => rate!)), Math.max(...all.map(([, s]) => s!))];
    // The model of several adapters counts the bytes that each sends to all others.
    const sentBytes = 4 * description.parameterCount * (this.size - 1);
    const rates = {
      multiplyAddsPerSecond: Array.from({ length: this.size }, () => rate),
      exchangeBytesPerSecond: sentBytes / allReduceSeconds,
      exchangeSeconds: 0,
    };
    const { batch, microBatch = batch } = recipe;
    // Gradients travel once per step, during the last micro-batch.
    const last = microBatch * this.size;
    const step = predictSteps(description, { batch: last, rates }).find(({ strategy }) => strategy === 'data')!;
    const earlierSeconds = (batch / last - 1) * predictAlone(description, microBatch, rate);
    const predicted = { seconds: earlierSeconds + step.seconds, aloneSeconds: predictAlone(description, batch, rate) };
    const short = (value: number) => Number(value.toPrecision(3)).toLocaleString('en-US');
    output.line(
      `Predicted: ${short(predicted.seconds)} s per step, of which products take ${short(earlierSeconds + step.computeSeconds)} s at ${short(rate / 1e9)} billion multiply-adds per second; ` +
        `the all-reduce of ${short((4 * description.parameterCount) / 1e6)} MB takes ${short(allReduceSeconds)} s, mostly during the backward pass of the last micro-batch. ${efficiencyOf(predicted.seconds, predicted.aloneSeconds, this.size)}`,
    );
    return predicted;
  }

  /** Measured seconds of a step on each rank; nothing if this process made fewer than two steps. */
  async secondsOfStep(): Promise<number[] | undefined> {
    const all = (await gatherNumbers(this, [this.speed.mean ?? Number.NaN])).flat();
    return all.every((seconds) => Number.isFinite(seconds)) ? all : undefined;
  }

  /** What a run's directory says of its ranks. */
  origin({ seconds, aloneSeconds }: PredictedStep): Origin['ranks'] {
    return { hosts: [...this.team.hosts], predictedSeconds: seconds, predictedAloneSeconds: aloneSeconds };
  }

  /** The second of two: the first finds memory and connections. */
  async #secondsToAllReduce(values: number): Promise<number> {
    const { cluster } = this.team;
    const gradients = new Float32Array(new SharedArrayBuffer(4 * values));
    await cluster.sum(gradients, { wire: this.#wire });
    const start = performance.now();
    await cluster.sum(gradients, { wire: this.#wire });
    return (performance.now() - start) / 1000;
  }
}

/** The mean time of a step on this rank, without the first, which compiles. */
class StepClock {
  #steps = 0;
  #last: number | undefined;
  #seconds = 0;

  show(event: TrainingEvent): void {
    const now = performance.now();
    if (event.kind !== 'step') {
      // Evaluations and checkpoints are not part of a step.
      if (event.kind !== 'checkpoint') this.#last = undefined;
      return;
    }
    if (this.#last !== undefined) {
      this.#steps++;
      this.#seconds += (now - this.#last) / 1000;
    }
    this.#last = now;
  }

  get mean(): number | undefined {
    return this.#steps === 0 ? undefined : this.#seconds / this.#steps;
  }
}

/** A line that compares what was measured with what was predicted. */
export function measuredLine(rankSeconds: readonly number[], { seconds, aloneSeconds }: PredictedStep): string {
  const short = (value: number) => Number(value.toPrecision(3)).toLocaleString('en-US');
  const slowest = Math.max(...rankSeconds);
  const each = rankSeconds.map((one, rank) => `rank ${rank} ${short(one)} s`).join(', ');
  return `Measured: ${short(slowest)} s per step, predicted ${short(seconds)} s (${each}). ${efficiencyOf(slowest, aloneSeconds, rankSeconds.length)}`;
}

function efficiencyOf(seconds: number, aloneSeconds: number, size: number): string {
  const times = aloneSeconds / seconds;
  return `That is ${times.toFixed(2)} times as fast as one rank alone is predicted to be, an efficiency of ${Math.round((100 * times) / size)}%.`;
}
