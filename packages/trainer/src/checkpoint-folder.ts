import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '@alex/tensor';
import { checkNotNegative, checkOptions, checkPositive, checkWholeNumber, optionError } from '@alex/tensor/kernels';
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { describeFileError, errorCode, linkWhole, unfinished } from './file.js';

const NAME = /^step-(\d{8,})\.safetensors$/;
const BEST = 'best.safetensors';
/** Added to the name of a file that is no longer used but may help to find out what happened. */
const ASIDE = '.unused';

/** The newest, and the previous one in case the newest is damaged on disk. */
export const usuallyKept = 2;

/**
 * The checkpoints of a run: `step-N.safetensors` for the newest steps, and `best.safetensors`, the one with the lowest
 * validation error among those saved right after an evaluation.
 */
export class CheckpointFolder {
  readonly path: string;
  readonly #kept: number;
  readonly #check: () => Promise<void>;

  /**
   * @param kept how many of the newest are kept
   * @param check called before each change; throws if another process has taken over the run
   */
  constructor(path: string, kept: number = usuallyKept, check: () => Promise<void> = async () => undefined) {
    this.path = path;
    this.#kept = kept;
    this.#check = check;
  }

  /**
   * Saves a checkpoint, and keeps a copy of it as the best one if its validation error is the lowest so far. Checkpoints older
   * than the newest ones are removed. In a training loop of your own:
   *
   * ```ts
   * await run.checkpoints.restore(({ parameters, ...state }) => {
   *   network.loadParameters(parameters);
   *   network.loadState(state);
   * });
   * while (network.stepCount < steps) {
   *   await takeStep();
   *   if (network.stepCount % every !== 0) continue;
   *   await run.checkpoints.save({
   *     step: network.stepCount,
   *     parameters: await network.parameters(),
   *     optimizerState: await network.optimizerState(),
   *     layerState: await network.layerState(),
   *     validation: await evaluate({ network, augmenter, split: dataset.validation }),
   *   });
   * }
   * ```
   *
   * @throws CheckpointError if it cannot be written; older checkpoints are then untouched. ConfigError for a field that is
   * unknown or cannot be
   */
  async save(checkpoint: Checkpoint): Promise<void> {
    checkCheckpoint(checkpoint);
    try {
      await this.#write(checkpoint);
    } catch (error) {
      // If the directory was removed meanwhile, the next check makes it again.
      if (!(error instanceof CheckpointError && errorCode(error.cause) === 'ENOENT')) throw error;
      await this.#write(checkpoint);
    }
    for (const step of (await this.steps()).slice(this.#kept)) await rm(this.#file(step), { force: true });
  }

  async #write(checkpoint: Checkpoint): Promise<void> {
    await this.#check();
    await mkdir(this.path, { recursive: true }).catch((error: unknown) => {
      throw new CheckpointError(`${this.path}: could not be created: ${describeFileError(error)}`, { cause: error });
    });
    const file = this.#file(checkpoint.step);
    await writeCheckpoint(file, checkpoint);
    // Writing takes long.
    await this.#check();
    if (await this.#isBest(checkpoint)) {
      await linkWhole(file, join(this.path, BEST)).catch((error: unknown) => {
        throw new CheckpointError(`${file}: could not be saved as the best: ${describeFileError(error)}`, {
          cause: error,
        });
      });
    }
  }

  /** Removes partly written files. Nothing may be writing at the time. */
  async removeUnfinished(): Promise<void> {
    await this.#check();
    const names = await readdir(this.path).catch((): string[] => []);
    for (const name of names) if (name.endsWith(unfinished)) await rm(join(this.path, name), { force: true });
  }

  /** The steps of the existing checkpoints, newest first. */
  async steps(): Promise<number[]> {
    const names = await readdir(this.path).catch((error: unknown): string[] => {
      if (errorCode(error) === 'ENOENT') return [];
      throw new CheckpointError(`${this.path}: could not be read: ${describeFileError(error)}`, { cause: error });
    });
    return names
      .flatMap((name) => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((one, other) => other - one);
  }

  /**
   * Reads the checkpoint of a step, or the best one.
   *
   * @throws CheckpointError if it does not exist (the message lists the existing ones) or cannot be used
   */
  async read(which: number | 'best'): Promise<Checkpoint> {
    const steps = await this.steps();
    const names = await readdir(this.path).catch((): string[] => []);
    if (which === 'best' ? names.includes(BEST) : steps.includes(which)) {
      return readCheckpoint(which === 'best' ? join(this.path, BEST) : this.#file(which));
    }
    const there = steps.length > 0 ? `there are checkpoints of the steps ${steps.join(', ')}` : 'there are none yet';
    throw new CheckpointError(
      which === 'best'
        ? `${this.path}: has no best checkpoint, which the first evaluation creates; ${there}`
        : `${this.path}: has no checkpoint of step ${which}; ${there}`,
    );
  }

  /**
   * Continues from the newest usable checkpoint.
   *
   * @param use applies a checkpoint, and throws a `CheckpointError` if it does not fit
   * @param options.before only checkpoints of earlier steps
   * @param options.onProblem called for each checkpoint that cannot be used and is therefore set aside
   * @returns the step of the checkpoint in use; undefined if there are none
   * @throws CheckpointError if there are some, but none can be used; ConfigError for an unknown option
   */
  async restore(
    use: (checkpoint: Checkpoint) => void,
    options: { readonly before?: number; readonly onProblem?: ((problem: string) => void) | undefined } = {},
  ): Promise<number | undefined> {
    checkOptions('restore', options, ['before', 'onProblem']);
    const { before = Number.POSITIVE_INFINITY, onProblem } = options;
    const refused: { readonly step: number; readonly problem: string }[] = [];
    for (const step of (await this.steps()).filter((step) => step < before)) {
      try {
        const checkpoint = await readCheckpoint(this.#file(step));
        if (checkpoint.step !== step) throw new CheckpointError(`${this.#file(step)}: is of step ${checkpoint.step}`);
        use(checkpoint);
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
        refused.push({ step, problem: error.message });
        continue;
      }
      for (const { step: other, problem } of refused) {
        await this.putAside(other);
        onProblem?.(`${problem}; it is set aside, and the checkpoint of step ${step} is used instead`);
      }
      return step;
    }
    if (refused.length > 0) {
      const problems = refused.map(({ problem }) => problem).join('; ');
      throw new CheckpointError(`no checkpoint of this run can be used: ${problems}`);
    }
    return undefined;
  }

  /** Keeps a checkpoint from being used, without deleting it. */
  async putAside(step: number): Promise<void> {
    await this.#check();
    await rename(this.#file(step), this.#file(step) + ASIDE).catch(() => undefined);
  }

  #file(step: number): string {
    return join(this.path, `step-${String(step).padStart(8, '0')}.safetensors`);
  }

  /** Whether a checkpoint has a lower validation error than the best so far. */
  async #isBest({ validation }: Checkpoint): Promise<boolean> {
    if (!validation) return false;
    const best = await readCheckpoint(join(this.path, BEST)).catch(() => undefined);
    if (!best?.validation) return true;
    const { top1Error, loss } = best.validation;
    return validation.top1Error < top1Error || (validation.top1Error === top1Error && validation.loss < loss);
  }
}

/** What is misspelt would not be written, and what cannot be would make a file that nobody can continue from. */
function checkCheckpoint(checkpoint: Checkpoint): void {
  checkOptions('checkpoint', checkpoint, [
    'step',
    'parameters',
    'optimizerState',
    'layerState',
    'rateFactor',
    'validation',
    'notes',
  ]);
  const { step, parameters, optimizerState, rateFactor = 1, validation } = checkpoint;
  checkWholeNumber('checkpoint', 'step', step, 0);
  for (const [name, tensors] of Object.entries({ parameters, optimizerState })) {
    if (typeof tensors !== 'object' || tensors === null) {
      throw optionError('checkpoint', name, `what network.${name}() gives`, tensors);
    }
  }
  checkPositive('checkpoint', 'rateFactor', rateFactor);
  if (!validation) return;
  // What `evaluate` gives has more fields, which are not written.
  const { loss, top1Error, top5Error } = validation;
  for (const [name, value] of Object.entries({ loss, top1Error, top5Error })) {
    checkNotNegative('checkpoint: validation', name, value);
  }
}
