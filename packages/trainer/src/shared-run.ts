import { deserialize, serialize } from 'node:v8';
import type { Checkpoint } from './checkpoint.js';
import type { CheckpointFolder } from './checkpoint-folder.js';
import type { RunConfig } from './config.js';
import type { Metrics } from './metrics.js';
import { onFirst, type TrainingRanks } from './ranks.js';
import type { RunDirectory } from './run-directory.js';

/** The parts of a run that training reads and writes; {@link RunDirectory} implements this. */
export type TrainedRun = Pick<
  RunDirectory,
  | 'path'
  | 'config'
  | 'isNew'
  | 'removals'
  | 'whileLocked'
  | 'saveConfig'
  | 'saveDivergence'
  | 'appendMetrics'
  | 'readMetrics'
  | 'rewindMetrics'
  | 'saveWeights'
  | 'remove'
> & {
  readonly checkpoints: Pick<CheckpointFolder, 'removeUnfinished' | 'save' | 'steps' | 'restore' | 'putAside'>;
};

/**
 * A run that several ranks train. Rank 0 reads and writes its directory, which the others need not reach, and sends them
 * what it read. Only rank 0 writes metrics and checkpoints, while steps continue.
 */
export class SharedRun implements TrainedRun {
  readonly path: string;
  readonly config: RunConfig;
  readonly checkpoints: TrainedRun['checkpoints'];
  readonly #ranks: TrainingRanks;
  /** On rank 0. */
  readonly #directory: RunDirectory | undefined;

  /**
   * @param path the name of the run in messages
   * @param directory on rank 0; `undefined` on all others
   */
  constructor(path: string, config: RunConfig, ranks: TrainingRanks, directory: RunDirectory | undefined) {
    this.path = path;
    this.config = config;
    this.#ranks = ranks;
    this.#directory = directory;
    const folder = directory?.checkpoints;
    this.checkpoints = {
      removeUnfinished: () => this.#first(async () => folder!.removeUnfinished()),
      save: async (checkpoint) => folder?.save(checkpoint),
      steps: () => this.#first(async () => folder!.steps()),
      restore: (use, options) => this.#restore(use, options),
      putAside: (step) => this.#first(async () => folder!.putAside(step)),
    };
  }

  get isNew(): boolean {
    return this.#directory?.isNew ?? false;
  }

  get removals(): number {
    return this.#directory?.removals ?? 0;
  }

  /** The run is locked by the rank that writes it. */
  whileLocked: RunDirectory['whileLocked'] = (work, options) =>
    this.#directory ? this.#directory.whileLocked(work, options) : work();

  saveConfig(): Promise<void> {
    return this.#first(async () => this.#directory!.saveConfig());
  }

  saveDivergence(report: unknown): Promise<string> {
    return this.#first(async () => this.#directory!.saveDivergence(report));
  }

  async appendMetrics(metrics: Metrics): Promise<void> {
    await this.#directory?.appendMetrics(metrics);
  }

  readMetrics(): Promise<Metrics[]> {
    return this.#first(async () => this.#directory!.readMetrics());
  }

  rewindMetrics(step: number): Promise<Metrics[]> {
    return this.#first(async () => this.#directory!.rewindMetrics(step));
  }

  saveWeights(...given: Parameters<RunDirectory['saveWeights']>): Promise<void> {
    return this.#first(async () => this.#directory!.saveWeights(...given));
  }

  async remove(): Promise<void> {
    await this.#directory?.remove();
  }

  async #restore(...[use, options]: Parameters<CheckpointFolder['restore']>): Promise<number | undefined> {
    const checkpoint = await this.#first(async () => {
      let used: Checkpoint | undefined;
      const take = (checkpoint: Checkpoint) => {
        use(checkpoint);
        used = checkpoint;
      };
      await this.#directory!.checkpoints.restore(take, options);
      return used;
    });
    if (checkpoint && !this.#directory) use(checkpoint);
    return checkpoint?.step;
  }

  #first<Result>(what: () => Promise<Result>): Promise<Result> {
    return onFirst(this.#ranks, what, serialize, (bytes) => deserialize(bytes) as Result);
  }
}
