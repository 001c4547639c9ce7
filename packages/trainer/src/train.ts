import { setTimeout } from 'node:timers/promises';
import type { Dataset } from '@alex/data';
import { AdapterError, AdapterLostError, AlexError, CheckpointError, ConfigError, type HostTensor } from '@alex/tensor';
import type { Checkpoint } from './checkpoint.js';
import { DivergenceError, type DivergenceReport, whereItBegan } from './divergence.js';
import type { Metrics } from './metrics.js';
import type { RunDirectory } from './run-directory.js';
import { lockRun } from './run-lock.js';
import { type Placed, Stepper } from './stepper.js';
import { Training } from './training.js';
import type { TrainingEvent, TrainingResult } from './training-event.js';

export type { TrainingEvent, TrainingResult } from './training-event.js';

/** Options of `train`. */
export interface TrainingOptions extends Placed {
  /** A new run, or one to continue: training starts from its newest checkpoint if it has one. */
  readonly run: RunDirectory;
  readonly dataset: Dataset;
  /** Initial parameters of a new run, instead of random ones. */
  readonly initialParameters?: Readonly<Record<string, HostTensor>>;
  /**
   * Opens the adapter again after it was lost and places the network on it, with its initial parameters. Default: a
   * loss ends the training.
   */
  reopen?(): Promise<Placed>;
  /** Default: `stop`. `rollback` continues from the last good state with half the learning rates. */
  readonly onDivergence?: 'stop' | 'rollback';
  /** Stops the run after the steps in flight (one or two), with a checkpoint. */
  readonly signal?: AbortSignal;
  onEvent?(event: TrainingEvent): void;
  /**
   * Returns custom metrics of each step and each evaluation, by name; they become `extra` in `metrics.jsonl` and in
   * events. Called when the result is available, just before the line is written.
   */
  scalars?(metrics: Metrics): Readonly<Record<string, number>> | undefined;
  /** Called and awaited before every step; network and augmenter are free for other uses in the meantime. */
  betweenSteps?(): Promise<void> | undefined;
}

/** How often the same trouble may recur without a checkpoint in between; after that, it is considered permanent. */
const most = 3;

/**
 * Trains a network by a run's recipe, and writes metrics, checkpoints and, at the end, `weights.safetensors`.
 *
 * The order of images, crops and dropout are functions of seed and step, so a resumed run ends with the same weights,
 * bit for bit, as an uninterrupted one; so does one whose adapter was lost. A new run that fails before its first
 * checkpoint removes its files, because nothing could continue from them. A run that fails later, or diverges, keeps
 * its files.
 *
 * @throws ConfigError if another process trains in the directory, or a run that starts from other weights has neither a
 * checkpoint nor these weights; DivergenceError if the loss is no longer finite or explodes; DataError, CheckpointError
 * and AdapterError from below
 */
export async function train(options: TrainingOptions): Promise<TrainingResult> {
  const lock = await lockRun(options.run.path);
  try {
    return await new Survivor(options).run();
  } finally {
    await lock.release();
  }
}

/** A state to continue from. */
interface State {
  readonly step: number;
  readonly rateFactor: number;
  /** Whether it is on disk. */
  readonly saved: boolean;
}

/** Trains, and continues from the last good state after recoverable errors. */
class Survivor {
  readonly #options: TrainingOptions;
  #placed: Placed;
  /** The initial state of a new run, as long as it has no checkpoint. */
  #beginning: Checkpoint | undefined;
  /** The step of the latest checkpoint that was ever written. */
  #furthest = 0;
  #losses = 0;
  #rollbacks = 0;

  constructor(options: TrainingOptions) {
    this.#options = options;
    this.#placed = options;
  }

  async run(): Promise<TrainingResult> {
    const { run, dataset, signal, onEvent, scalars, betweenSteps } = this.#options;
    let state = await this.#begin();
    while (true) {
      const training = new Training({
        ...this.#placed,
        run,
        dataset,
        signal,
        ...(scalars && { scalars }),
        ...(betweenSteps && { betweenSteps }),
        rateFactor: state.rateFactor,
        history: await run.rewindMetrics(state.step),
        savedStep: state.saved ? state.step : undefined,
        onEvent: (event) => {
          if (event.kind === 'checkpoint') this.#noteCheckpoint(event.step);
          onEvent?.(event);
        },
      });
      try {
        return await training.run();
      } catch (error) {
        // If it fails as well, this is not the first failure.
        await training.settle().catch(() => undefined);
        if (error instanceof AdapterLostError && this.#options.reopen) {
          await this.#reopen(error);
          state = await this.#restore();
        } else if (error instanceof DivergenceError) {
          state = await this.#afterDivergence(error, state);
        } else {
          if (run.isNew && training.savedStep === undefined) await run.remove();
          throw error;
        }
      }
    }
  }

  /** A checkpoint beyond all earlier ones means that the last trouble is over. */
  #noteCheckpoint(step: number): void {
    this.#beginning = undefined;
    if (step <= this.#furthest) return;
    this.#furthest = step;
    this.#losses = 0;
    this.#rollbacks = 0;
  }

  async #begin(): Promise<State> {
    const { run, initialParameters } = this.#options;
    await run.checkpoints.removeUnfinished();
    const restored = await this.#restoreSaved();
    await run.saveConfig();
    if (restored) return restored;
    const { startsFrom } = run.config.recipe;
    if (startsFrom && !initialParameters) {
      throw new ConfigError(
        `${run.path}: has no checkpoint yet, and starts from ${startsFrom.weights}: give its weights as initialParameters`,
      );
    }
    const { network } = this.#placed;
    if (initialParameters) network.loadParameters(initialParameters);
    const learned = network.description.layers.flatMap(({ parameters }) => parameters);
    const beginning = {
      step: 0,
      // The checkpoint that was just written need not be read.
      parameters: initialParameters
        ? Object.fromEntries(learned.map(({ path }) => [path, initialParameters[path]!]))
        : await network.parameters(),
      optimizerState: await network.optimizerState(),
      layerState: await network.layerState(),
    };
    // Random parameters can be generated again; given ones may no longer exist.
    if (initialParameters) await run.checkpoints.save(beginning);
    else this.#beginning = beginning;
    return { step: 0, rateFactor: 1, saved: initialParameters !== undefined };
  }

  /** Restores the last good state, or the last before a step. */
  async #restore(before?: number): Promise<State> {
    const restored = await this.#restoreSaved(before);
    if (restored) return restored;
    if (!this.#beginning)
      throw new CheckpointError(`${this.#options.run.path}: there is no state left to continue from`);
    this.#load(this.#beginning);
    return { step: 0, rateFactor: 1, saved: false };
  }

  async #restoreSaved(before?: number): Promise<State | undefined> {
    const { run, onEvent } = this.#options;
    let rateFactor = 1;
    const step = await run.checkpoints.restore(
      (checkpoint) => {
        if (checkpoint.step > run.config.recipe.steps) {
          // The file is not to blame, so the previous one would not help.
          throw new ConfigError(
            `${run.path}: its checkpoint is of step ${checkpoint.step}, past the end of a run of ${run.config.recipe.steps}; make the run longer`,
          );
        }
        this.#load(checkpoint);
        rateFactor = checkpoint.rateFactor ?? 1;
      },
      { ...(before !== undefined && { before }), onProblem: (message) => onEvent?.({ kind: 'problem', message }) },
    );
    return step === undefined ? undefined : { step, rateFactor, saved: true };
  }

  #load(checkpoint: Checkpoint): void {
    const { network } = this.#placed;
    network.loadParameters(checkpoint.parameters);
    network.loadState(checkpoint);
  }

  /** Opens the adapter again, which may take some seconds. */
  async #reopen(loss: unknown): Promise<void> {
    const { reopen, onEvent, signal } = this.#options;
    for (let error = loss; ; ) {
      if (++this.#losses >= most) {
        throw new AdapterError(
          `the adapter was lost ${most} times without a checkpoint in between; find out what resets it (its driver's log, its ` +
            `temperature, its power supply), then resume the run. The last time: ${messageOf(error)}`,
          { cause: error },
        );
      }
      onEvent?.({
        kind: 'problem',
        message: `${messageOf(error)} It is opened again, and the run continues from its last good state.`,
      });
      if (error !== loss) {
        await setTimeout(1000 * this.#losses, undefined, { ...(signal && { signal }) }).catch(() => {
          throw loss;
        });
      }
      try {
        this.#placed = await reopen!();
        return;
      } catch (again) {
        if (!(again instanceof AdapterError)) throw again;
        error = again;
      }
    }
  }

  /** Stops, or goes back to a state from before the divergence and halves the rates. */
  async #afterDivergence(error: DivergenceError, { rateFactor, step }: State): Promise<State> {
    const { run, onDivergence = 'stop', onEvent } = this.#options;
    const report = await this.#describe(error);
    const file = await run.saveDivergence(report);
    const where = report.began === undefined ? '' : `it started in ${report.began}; `;
    const details = `${where}${file} has statistics of each layer`;
    const lower = `a lower learning rate than ${run.config.recipe.learningRate}`;
    if (onDivergence === 'stop') {
      throw new AlexError(
        `${error.message}; start a new run with ${lower}, or let it go back to its last good state with half the learning rates; ${details}`,
        { cause: error },
      );
    }
    if (++this.#rollbacks > most) {
      throw new AlexError(
        `${error.message}, also after ${most} rollbacks without a checkpoint in between; start a new run with ${lower}; ${details}`,
        { cause: error },
      );
    }
    // If even the first steps from a checkpoint diverge, it was saved too late.
    if (this.#rollbacks > 1) await this.#putAsideFrom(step);
    const state = await this.#restore();
    const halved = rateFactor / 2;
    const { network } = this.#placed;
    if (state.saved) {
      await run.checkpoints.save({
        step: state.step,
        parameters: await network.parameters(),
        optimizerState: await network.optimizerState(),
        layerState: await network.layerState(),
        rateFactor: halved,
      });
    }
    onEvent?.({
      kind: 'problem',
      message: `${error.message}; ${details}. Continuing from step ${state.step} with the learning rates multiplied by ${halved}.`,
    });
    return { ...state, rateFactor: halved };
  }

  /** Sets the checkpoints of this step and later ones aside, if there are earlier states. */
  async #putAsideFrom(step: number): Promise<void> {
    const { checkpoints } = this.#options.run;
    const steps = await checkpoints.steps();
    const later = steps.filter((one) => one >= step);
    if (later.length === steps.length && !this.#beginning) return;
    for (const one of later) await checkpoints.putAside(one);
  }

  /** Repeats the steps since the last good state up to the one that failed, and inspects its layers. */
  async #describe({ step, after, loss }: DivergenceError): Promise<DivergenceReport> {
    const { run, dataset, signal } = this.#options;
    const known = { step, loss: String(loss) };
    let goodStep = 0;
    try {
      // One that is older than the step, for comparison.
      const state = await this.#restore(after).catch(() => this.#restore());
      goodStep = state.step;
      const { network } = this.#placed;
      const stepper = new Stepper({ ...this.#placed, run, dataset, rateFactor: state.rateFactor });
      const validations = (await run.readMetrics()).filter(({ split }) => split === 'val');
      const images = await stepper.read(after);
      const good = await stepper.statistics(images);
      while (network.stepCount < after) {
        signal?.throwIfAborted();
        const earlier = validations.filter((validation) => validation.step <= network.stepCount);
        const submitted = await stepper.submit(await stepper.read(network.stepCount), earlier);
        await submitted?.result();
      }
      const bad = await stepper.statistics(images);
      const layers = good.map((statistics, index) => ({ good: statistics, bad: bad[index]! }));
      const began = whereItBegan(layers);
      return { ...known, goodStep, ...(began !== undefined && { began }), layers };
    } catch (error) {
      return { ...known, goodStep, problem: messageOf(error) };
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
