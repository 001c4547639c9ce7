import { mkdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AlexError, CheckpointError, ConfigError, type HostTensor } from '@alex/tensor';
import type { Checkpoint } from './checkpoint.js';
import { CheckpointFolder } from './checkpoint-folder.js';
import { checkRunConfig, type DataConfig, modelNotes, parseRunConfig, type RunConfig } from './config.js';
import { list, makeDirectory } from './directories.js';
import { type Divergence, readDivergence } from './divergence-file.js';
import { eventFilePrefix } from './event-file.js';
import { describeFileError, errorCode, unfinished, writeAll, writeNew, writeWhole } from './file.js';
import { heldBy, isLockFile } from './lock-file.js';
import { appendMetrics, type Metrics, readMetrics, rewindMetrics } from './metrics.js';
import { type Origin, ProvenanceFile, readProvenance, type Stretch } from './provenance.js';
import type { Recipe } from './recipe.js';
import { type LockOptions, lockRun, type RunLock } from './run-lock.js';
import { readSafetensors, writeSafetensors } from './safetensors.js';

const CONFIG = 'config.json';
const METRICS = 'metrics.jsonl';
const PROVENANCE = 'provenance.jsonl';
const WEIGHTS = 'weights.safetensors';
const CHECKPOINTS = 'checkpoints';
/** The last address of a run's dashboard. */
const DASHBOARD = 'dashboard.json';
/** The information about a diverged training run. */
const DIVERGENCE = 'divergence.json';

/** Weights of a run: of its best checkpoint (the lowest validation error), its newest, or that of a step. */
export type WhichWeights = 'best' | 'last' | number;

/** Trained weights, and their origin. */
export interface LearntWeights {
  /** By dotted name. */
  readonly weights: Record<string, HostTensor>;
  /** Whether they are final, or from a checkpoint. */
  readonly kind: 'finished' | 'checkpoint' | 'best';
  /** Number of steps taken, if the file has it. */
  readonly step?: number;
}

/** The lock of a run's directory, which a run that was changed shares with what it was. */
interface Hold {
  lock?: RunLock | undefined;
  /** Whether a training relies on it. */
  inUse: boolean;
}

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
  readonly #hold: Hold;

  private constructor(
    path: string,
    config: RunConfig,
    { isNew, made, hold = { inUse: false } }: { isNew: boolean; made: readonly string[]; hold?: Hold },
  ) {
    this.path = path;
    this.config = config;
    this.isNew = isNew;
    this.checkpoints = new CheckpointFolder(join(path, CHECKPOINTS), config.recipe.keepCheckpoints, () =>
      this.#checkHeld(),
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
   * Creates a run in a directory that does not exist or is empty.
   *
   * @throws ConfigError where the directory holds anything, or another process begins a run there at the same time; AlexError where
   * it cannot be written
   */
  static async create(path: string, config: RunConfig): Promise<RunDirectory> {
    const isNotEmpty = `${path}: this directory is not empty; resume its run with --resume, or choose another`;
    if ((await list(path)).some((name) => !isPassing(name))) throw new ConfigError(isNotEmpty);
    const made = await makeDirectory(path);
    const run = new RunDirectory(path, config, { isNew: true, made });
    try {
      await writeNew(join(path, CONFIG), textOf(config));
    } catch (error) {
      // Another process was faster: what is there is its own.
      if (errorCode(error) === 'EEXIST') throw new ConfigError(isNotEmpty, { cause: error });
      for (const directory of made) await rmdir(directory).catch(() => undefined);
      throw new AlexError(`${path}: the run could not be begun: ${describeFileError(error)}`, { cause: error });
    }
    try {
      await mkdir(join(path, CHECKPOINTS));
    } catch (error) {
      await run.remove();
      throw new AlexError(`${path}: the run could not be started: ${describeFileError(error)}`, { cause: error });
    }
    return run;
  }

  /** @throws ConfigError if there is no run, CheckpointError if its `config.json` is truncated or of another format */
  static async open(path: string): Promise<RunDirectory> {
    const file = join(path, CONFIG);
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') {
        throw new ConfigError(`${path}: there is no run here (no ${CONFIG}); give the directory of a run`);
      }
      throw new CheckpointError(`${file}: could not be read: ${describeFileError(error)}`, { cause: error });
    }
    return new RunDirectory(path, parseRunConfig(file, text), { isNew: false, made: [] });
  }

  /**
   * Opens a run in which no other process may train until `unlock`, or until a training ends that continues it. What is read of it
   * stays so meanwhile.
   *
   * @throws as `open` and {@link lockRun}
   */
  static async openLocked(path: string, options: LockOptions = {}): Promise<RunDirectory> {
    // Where there is no run, there is nothing to lock.
    await RunDirectory.open(path);
    const lock = await lockRun(path, options);
    try {
      const run = await RunDirectory.open(path);
      run.#hold.lock = lock;
      return run;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** The same run with something else in its recipe, such as another length, or of its data; written down by `saveConfig`. */
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

  /**
   * Saves what `changed` changed.
   *
   * @throws AlexError if `config.json` cannot be written
   */
  async saveConfig(): Promise<void> {
    if (!this.#isChanged) return;
    await this.#checkHeld();
    try {
      await writeWhole(join(this.path, CONFIG), (file) => writeAll(file, textOf(this.config)));
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
    await this.#checkHeld();
    const file = join(this.path, DIVERGENCE);
    const text = `${JSON.stringify(report, undefined, 2)}\n`;
    await writeWhole(file, (handle) => writeAll(handle, Buffer.from(text))).catch((error: unknown) => {
      throw new AlexError(`${file}: could not be written: ${describeFileError(error)}`, { cause: error });
    });
    return file;
  }

  async appendMetrics(metrics: Metrics): Promise<void> {
    await this.#checkHeld();
    return appendMetrics(join(this.path, METRICS), metrics);
  }

  /** @throws DataError with the line that is not valid */
  readMetrics(): Promise<Metrics[]> {
    return readMetrics(join(this.path, METRICS));
  }

  /** Drops what was noted after `step`, and gives the rest. */
  async rewindMetrics(step: number): Promise<Metrics[]> {
    await this.#checkHeld();
    return rewindMetrics(join(this.path, METRICS), step);
  }

  /**
   * Notes that a process begins to train the run.
   *
   * @returns what takes down how that went
   * @throws AlexError where it cannot be written
   */
  beginStretch(origin: Origin): ProvenanceFile {
    return new ProvenanceFile(join(this.path, PROVENANCE), origin);
  }

  /**
   * What trained the run, when and where, the earliest first; nothing of what versions before 0.3 trained.
   *
   * @throws DataError where it is there and cannot be read
   */
  readProvenance(): Promise<Stretch[]> {
    return readProvenance(join(this.path, PROVENANCE));
  }

  /**
   * What is known of a training that diverged, or nothing where none did.
   *
   * @throws DataError where it cannot be read
   */
  readDivergence(): Promise<Divergence | undefined> {
    return readDivergence(join(this.path, DIVERGENCE));
  }

  /** The newest checkpoint that can be used, or nothing where none was written yet. */
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
    await this.#checkHeld();
    return writeSafetensors(join(this.path, WEIGHTS), parameters, {
      ...modelNotes(this.config),
      ...(step !== undefined && { step: String(step) }),
    });
  }

  /** Whether its training has finished at least once. */
  async hasWeights(): Promise<boolean> {
    return (await list(this.path)).includes(WEIGHTS);
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
    if (which === undefined && (await this.hasWeights())) {
      const { tensors, metadata } = await readSafetensors(join(this.path, WEIGHTS));
      const step = Number(metadata['step'] ?? Number.NaN);
      return { weights: tensors, kind: 'finished', ...(Number.isSafeInteger(step) && { step }) };
    }
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

  /** The address of the run's dashboard: kept, so that an open page finds the run again when it is resumed. */
  get dashboardFile(): string {
    return join(this.path, DASHBOARD);
  }

  /** Gives the lock back that `openLocked` took; nothing where it is not held any more. */
  async unlock(): Promise<void> {
    const { lock } = this.#hold;
    this.#hold.lock = undefined;
    await lock?.release();
  }

  /**
   * Does something that nobody else may do in the directory at the same time, not even this process: takes the lock unless
   * `openLocked` took it, and gives it back in the end. Whatever is written meanwhile makes sure first that it is still held.
   *
   * @throws ConfigError that names the process which holds it; AlexError where the directory cannot be written
   */
  async whileLocked<Result>(work: () => Promise<Result>, options: LockOptions = {}): Promise<Result> {
    if (this.#hold.inUse) throw heldBy(this.path, 'this very one');
    this.#hold.inUse = true;
    try {
      this.#hold.lock ??= await lockRun(this.path, options);
      return await work();
    } finally {
      this.#hold.inUse = false;
      await this.unlock();
    }
  }

  /** @throws AlexError where another process has taken the run over */
  async #checkHeld(): Promise<void> {
    await this.#hold.lock?.check();
  }

  /**
   * Takes the run's own files away again, and the directories that were made for it; anything else stays, and all of it where another
   * process has taken the run over.
   */
  async remove(): Promise<void> {
    const isHeld = await this.#checkHeld().then(
      () => true,
      () => false,
    );
    if (!isHeld) return;
    await this.unlock();
    const others = (await list(this.path).catch(() => [])).filter(
      (name) => name.startsWith(eventFilePrefix) || isPassing(name),
    );
    for (const name of [CONFIG, METRICS, PROVENANCE, WEIGHTS, CHECKPOINTS, DIVERGENCE, DASHBOARD, ...others]) {
      await rm(join(this.path, name), { recursive: true, force: true }).catch(() => undefined);
    }
    for (const directory of this.#made) await rmdir(directory).catch(() => undefined);
  }
}

/** Whether a file is there only as long as a process begins a run, or trains it; or was left behind by one that was killed. */
function isPassing(name: string): boolean {
  return isLockFile(name) || (name.startsWith(CONFIG) && name.endsWith(unfinished));
}

/** What `config.json` says. */
function textOf(config: RunConfig): Buffer {
  return Buffer.from(`${JSON.stringify(config, undefined, 2)}\n`);
}
