import { rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AlexError, CheckpointError, ConfigError, type HostTensor } from '@alex/tensor';
import { checkText } from '@alex/tensor/kernels';
import type { Checkpoint } from './checkpoint.js';
import { CheckpointFolder } from './checkpoint-folder.js';
import { checkRunConfig, type DataConfig, type RunConfig } from './config.js';
import { CONFIG, readConfig, replaceConfig } from './config-file.js';
import { list, tryDirectory } from './directories.js';
import { type Divergence, readDivergence, writeDivergence } from './divergence-file.js';
import { eventFilePrefix } from './event-file.js';
import { describeFileError } from './file.js';
import { appendMetrics, type Metrics, readMetrics, rewindMetrics } from './metrics.js';
import { type Origin, ProvenanceFile, readProvenance, type Stretch } from './provenance.js';
import type { Recipe } from './recipe.js';
import { CHECKPOINTS, DASHBOARD, DIVERGENCE, METRICS, PROVENANCE, TUNINGS } from './run-files.js';
import { RunHold } from './run-hold.js';
import type { LockOptions } from './run-lock.js';
import { checkEmpty, isPassing, makeRun } from './run-place.js';
import {
  hasWeights,
  type LearntWeights,
  readWeights,
  WEIGHTS,
  type WhichWeights,
  writeWeights,
} from './weights-file.js';

/**
 * A run on disk: `config.json` (everything needed to build the network and prepare its images again), `metrics.jsonl`,
 * `checkpoints/` and, at the end, `weights.safetensors`. Every file except the metrics is written atomically, and
 * metrics grow by whole lines, so a run can always continue from what is there.
 */
export class RunDirectory {
  readonly path: string;
  readonly config: RunConfig;
  /** Whether this process started the run. */
  readonly isNew: boolean;
  readonly checkpoints: CheckpointFolder;
  #isChanged = false;
  /** Directories that were created for it, from its own upwards. */
  readonly #made: readonly string[];
  readonly #hold: RunHold;

  private constructor(
    path: string,
    config: RunConfig,
    { isNew, made, hold = new RunHold(path) }: { isNew: boolean; made: readonly string[]; hold?: RunHold },
  ) {
    this.path = path;
    this.config = config;
    this.isNew = isNew;
    this.checkpoints = new CheckpointFolder(join(path, CHECKPOINTS), config.recipe.keepCheckpoints, () =>
      this.#beforeWriting(),
    );
    this.#made = made;
    this.#hold = hold;
  }

  /**
   * Whether the directory contains a run.
   *
   * @throws ConfigError if the directory contains files but no run
   */
  static async exists(path: string): Promise<boolean> {
    const files = (await list(path)).filter((name) => !isPassing(name));
    if (files.length === 0) return false;
    if (files.includes(CONFIG)) return true;
    throw new ConfigError(`${path}: contains files but no run (no ${CONFIG}); choose another run directory`);
  }

  /**
   * Finds out whether a run could be created in a directory, before work begins whose result it will hold. Nothing is left behind.
   *
   * @throws ConfigError if it contains anything, or cannot be created or written
   */
  static async tryPlace(path: string): Promise<void> {
    await checkEmpty(path);
    await tryDirectory(path);
  }

  /**
   * Creates a run in a directory that does not exist or is empty.
   *
   * @throws ConfigError if the configuration is invalid, the directory holds anything, or another process begins a run there at the same time; AlexError where
   * it cannot be written
   */
  static async create(path: string, config: RunConfig): Promise<RunDirectory> {
    checkText('RunDirectory', 'path', path);
    checkRunConfig(config);
    await checkEmpty(path);
    return new RunDirectory(path, config, { isNew: true, made: await makeRun(path, config) });
  }

  /** @throws ConfigError if there is no run, CheckpointError if its `config.json` is truncated or of another format */
  static async open(path: string): Promise<RunDirectory> {
    checkText('RunDirectory', 'path', path);
    return new RunDirectory(path, await readConfig(path), { isNew: false, made: [] });
  }

  /**
   * Opens a run and locks it: no other process may train in it until `unlock`, or until a training run that continues it ends. What
   * this process reads of the run stays valid meanwhile.
   *
   * @throws as `open`; ConfigError that names the process which holds the lock; AlexError if the directory cannot be written
   */
  static async openLocked(path: string, options: LockOptions = {}): Promise<RunDirectory> {
    // Without a run, there is nothing to lock.
    await RunDirectory.open(path);
    const hold = new RunHold(path);
    await hold.take(options);
    try {
      return new RunDirectory(path, await readConfig(path), { isNew: false, made: [], hold });
    } catch (error) {
      await hold.release();
      throw error;
    }
  }

  /** The same run with another recipe, such as another length, or other data. `saveConfig` writes it. */
  changed(recipe: Partial<Recipe>, data: Partial<DataConfig> = {}): RunDirectory {
    const config = checkRunConfig({
      ...this.config,
      recipe: { ...this.config.recipe, ...recipe },
      data: { ...this.config.data, ...data },
    });
    const run = new RunDirectory(this.path, config, { isNew: this.isNew, made: this.#made, hold: this.#hold });
    run.#isChanged = true;
    return run;
  }

  /** How often the directory was removed during training. It is made again then, with its configuration only. */
  get removals(): number {
    return this.#hold.removals;
  }

  #beforeWriting(): Promise<void> {
    return this.#hold.check(async () => {
      await makeRun(this.path, this.config);
    });
  }

  /**
   * Writes the configuration if `changed` changed it.
   *
   * @throws AlexError if `config.json` cannot be written
   */
  async saveConfig(): Promise<void> {
    if (!this.#isChanged) return;
    await this.#beforeWriting();
    try {
      await replaceConfig(this.path, this.config);
      this.#isChanged = false;
    } catch (error) {
      throw new AlexError(`${this.path}: the run could not be changed: ${describeFileError(error)}`, { cause: error });
    }
  }

  /**
   * Saves the information about a diverged training run.
   *
   * @returns the file
   * @throws AlexError if it cannot be written
   */
  async saveDivergence(report: unknown): Promise<string> {
    await this.#beforeWriting();
    const file = join(this.path, DIVERGENCE);
    await writeDivergence(file, report);
    return file;
  }

  async appendMetrics(metrics: Metrics): Promise<void> {
    await this.#beforeWriting();
    return appendMetrics(join(this.path, METRICS), metrics);
  }

  /** @throws DataError with the line that is not valid */
  readMetrics(): Promise<Metrics[]> {
    return readMetrics(join(this.path, METRICS));
  }

  /** Removes the metrics after `step`, and returns the others. */
  async rewindMetrics(step: number): Promise<Metrics[]> {
    await this.#beforeWriting();
    return rewindMetrics(join(this.path, METRICS), step);
  }

  /**
   * Records that a process begins to train the run.
   *
   * @returns the file that records how the training goes
   * @throws AlexError if it cannot be written
   */
  beginStretch(origin: Origin): ProvenanceFile {
    return new ProvenanceFile(join(this.path, PROVENANCE), origin);
  }

  /**
   * What trained the run, when and where, the earliest first. Versions before 0.3 recorded nothing.
   *
   * @throws DataError if it is there and cannot be read
   */
  readProvenance(): Promise<Stretch[]> {
    return readProvenance(join(this.path, PROVENANCE));
  }

  /**
   * The report of a training run that diverged, or nothing if it did not diverge.
   *
   * @throws DataError if it cannot be read
   */
  readDivergence(): Promise<Divergence | undefined> {
    return readDivergence(join(this.path, DIVERGENCE));
  }

  /** The newest usable checkpoint, or nothing if there is none yet. */
  async latestCheckpoint(): Promise<Checkpoint | undefined> {
    let latest: Checkpoint | undefined;
    await this.checkpoints.restore((checkpoint) => {
      latest = checkpoint;
    });
    return latest;
  }

  /**
   * @param step the last step of the training
   * @throws CheckpointError if they cannot be written
   */
  async saveWeights(parameters: Readonly<Record<string, HostTensor>>, step?: number): Promise<void> {
    await this.#beforeWriting();
    return writeWeights(this.path, this.config, parameters, step);
  }

  /** Whether its training has finished at least once. */
  hasWeights(): Promise<boolean> {
    return hasWeights(this.path);
  }

  /** Reads the trained weights like {@link RunDirectory.learnt}, but without their origin. */
  async readWeights(which?: WhichWeights): Promise<Record<string, HostTensor>> {
    return (await this.learnt(which)).weights;
  }

  /**
   * Reads the trained weights: parameters, and the state of the layers.
   *
   * @param which default: the final weights of a finished run, otherwise the newest usable checkpoint
   * @throws CheckpointError if there are none yet, or the file is truncated or of another format
   */
  async learnt(which?: WhichWeights): Promise<LearntWeights> {
    if (which === undefined && (await this.hasWeights())) return readWeights(this.path);
    const newest = which === undefined || which === 'last';
    const checkpoint = newest ? await this.latestCheckpoint() : await this.checkpoints.read(which);
    if (!checkpoint) {
      throw new CheckpointError(
        `${this.path}: has no trained weights yet (no ${WEIGHTS}, no checkpoint); train it first`,
      );
    }
    const { step, parameters, layerState } = checkpoint;
    return { weights: { ...parameters, ...layerState }, kind: which === 'best' ? 'best' : 'checkpoint', step };
  }

  /** The file with the address of the run's dashboard: an open page finds the run there again when it is resumed. */
  get dashboardFile(): string {
    return join(this.path, DASHBOARD);
  }

  /** Releases the lock that `openLocked` took; does nothing if it is not held any more. */
  unlock(): Promise<void> {
    return this.#hold.release();
  }

  /**
   * Does something that nothing else may do in the directory at the same time, not even this process: takes the lock unless
   * `openLocked` took it, and releases it at the end. Whatever writes meanwhile first checks that the lock is still held.
   *
   * @throws ConfigError that names the process which holds it; AlexError if the directory cannot be written
   */
  whileLocked<Result>(work: () => Promise<Result>, options: LockOptions = {}): Promise<Result> {
    return this.#hold.during(work, options);
  }

  /**
   * Removes the run's own files, and the directories that were created for it. Anything else stays; everything stays if another
   * process has taken the run over.
   */
  async remove(): Promise<void> {
    const isHeld = await this.#hold
      .check(async () => undefined)
      .then(
        () => true,
        () => false,
      );
    if (!isHeld) return;
    await this.unlock();
    const others = (await list(this.path).catch(() => [])).filter(
      (name) => name.startsWith(eventFilePrefix) || isPassing(name),
    );
    for (const name of [CONFIG, METRICS, PROVENANCE, WEIGHTS, CHECKPOINTS, DIVERGENCE, DASHBOARD, TUNINGS, ...others]) {
      await rm(join(this.path, name), { recursive: true, force: true }).catch(() => undefined);
    }
    for (const directory of this.#made) await rmdir(directory).catch(() => undefined);
  }
}
