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

/** What `train` needs. */
export interface TrainingOptions extends Placed {
  /** A new run, or one to continue with: training starts from its newest checkpoint where it has one. */
  readonly run: RunDirectory;
  readonly dataset: Dataset;
  /** What a new run starts from instead of the parameters that were drawn. */
  readonly initialParameters?: Readonly<Record<string, HostTensor>>;
  /**
   * Opens the adapter again after it was lost and places the network there, with its parameters as they were drawn. Where it
   * is left out, a loss ends the training.
   */
  reopen?(): Promise<Placed>;
  /** Default: `stop`. `rollback` resumes from the last good state with rates half as high. */
  readonly onDivergence?: 'stop' | 'rollback';
  /** Stops the run after the steps under way (one, or two), with a checkpoint. */
  readonly signal?: AbortSignal;
  onEvent?(event: TrainingEvent): void;
  /**
   * Gives values of one's own for the metrics of each step and each evaluation, by name; they become `extra` in `metrics.jsonl`
   * and in events. Called when the result is there, as the line is about to be written, which waits for a promise. The network is as it
   * was evaluated then; but beside the line of a step, it may have taken the next one already.
   */
  scalars?(metrics: Metrics): Metrics['extra'] | Promise<Metrics['extra']>;
  /** Called before every step, which waits for it; network and augmenter are free for another use meanwhile. */
  betweenSteps?(): Promise<void> | undefined;
}

/** So often in a row without a checkpoint in between the same trouble is overcome; then it is there to stay. */
const most = 3;

/**
 * Trains a network by a run's recipe, and writes metrics, checkpoints and, at the end, `weights.safetensors`.
 *
 * Order of images, crops and dropout are functions of seed and step, so a run that was stopped and continues ends with
 * the same weights, bit by bit, as one that never stopped; so does one whose adapter was lost. A new run that fails before
 * its first checkpoint takes its files away again, as nothing could continue from them; one that fails later, or diverged, keeps what it has.
 *
 * @throws ConfigError where another process trains in the directory, or a run that starts from other weights has no
 * checkpoint and is not given them; DivergenceError where the loss is no longer finite or
 * explodes; DataError, CheckpointError and AdapterError from below
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

/** Trains, and continues from the last good state after what can be overcome. */
class Survivor {
  readonly #options: TrainingOptions;
  #placed: Placed;
  /** How a new run began, as long as it has no checkpoint. */
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
        // Its failure, if there is one, is not the first.
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

  /** A checkpoint further on than any before means that the last trouble is overcome. */
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
      // What was just written need not be read.
      parameters: initialParameters
        ? Object.fromEntries(learned.map(({ path }) => [path, initialParameters[path]!]))
        : await network.parameters(),
      optimizerState: await network.optimizerState(),
      layerState: await network.layerState(),
    };
    // What was drawn can be drawn again; what was given may not be there any more.
    if (initialParameters) await run.checkpoints.save(beginning);
    else this.#beginning = beginning;
    return { step: 0, rateFactor: 1, saved: initialParameters !== undefined };
  }

  /** Puts the network into the last good state, or the last before a step. */
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
          // No fault of the file's: the one before it is not what is wanted.
          throw new ConfigError(
            `${run.path}: its checkpoint is of step ${checkpoint.step}, past the end of a run of ${run.config.recipe.steps}; let the run be longer`,
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

  /** Opens the adapter again, which may take a driver some seconds. */
  async #reopen(loss: unknown): Promise<void> {
    const { reopen, onEvent, signal } = this.#options;
    for (let error = loss; ; ) {
      if (++this.#losses >= most) {
        throw new AdapterError(
          `the adapter was lost ${most} times without a checkpoint in between; look for what resets it (its driver's log, its ` +
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

  /** Stops, or goes back to a state from before it began and halves the rates. */
  async #afterDivergence(error: DivergenceError, { rateFactor, step }: State): Promise<State> {
    const { run, onDivergence = 'stop', onEvent } = this.#options;
    const report = await this.#describe(error);
    const file = await run.saveDivergence(report);
    const where = report.began === undefined ? '' : `it began in ${report.began}; `;
    const details = `${where}${file} says how each layer fared`;
    const lower = `a lower learning rate than ${run.config.recipe.learningRate}`;
    if (onDivergence === 'stop') {
      throw new AlexError(
        `${error.message}; begin a new run with ${lower}, or have it go back to its last good state with half the rates; ${details}`,
        { cause: error },
      );
    }
    if (++this.#rollbacks > most) {
      throw new AlexError(
        `${error.message}, also after ${most} rollbacks without a checkpoint in between; begin a new run with ${lower}; ${details}`,
        { cause: error },
      );
    }
    // Where even the first steps from a checkpoint diverge, it was taken too late.
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
      message: `${error.message}; ${details}. Continuing from step ${state.step} with rates times ${halved}.`,
    });
    return { ...state, rateFactor: halved };
  }

  /** Puts the checkpoints of a step and later ones aside, if there are earlier states. */
  async #putAsideFrom(step: number): Promise<void> {
    const { checkpoints } = this.#options.run;
    const steps = await checkpoints.steps();
    const later = steps.filter((one) => one >= step);
    if (later.length === steps.length && !this.#beginning) return;
    for (const one of later) await checkpoints.putAside(one);
  }

  /** Takes the steps since the last good state again, up to the one that went wrong, and looks at its layers. */
  async #describe({ step, after, loss }: DivergenceError): Promise<DivergenceReport> {
    const { run, dataset, signal } = this.#options;
    const known = { step, loss: String(loss) };
    let goodStep = 0;
    try {
      // One that is older than the step, to have something to compare with.
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
