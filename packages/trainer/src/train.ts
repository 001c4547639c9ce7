import { setTimeout } from 'node:timers/promises';
import type { Dataset } from '@alex/data';
import { AdapterError, AdapterLostError, AlexError, type HostTensor } from '@alex/tensor';
import { checkOneOf, checkOptions, checkSignal, optionError } from '@alex/tensor/kernels';
import { checkSplit, checkViewer, withoutOpenedRun } from './checks.js';
import { DivergenceError, type DivergenceReport, whereItBegan } from './divergence.js';
import { type GoodState, GoodStates } from './good-states.js';
import type { Metrics } from './metrics.js';
import type { TrainingRanks } from './ranks.js';
import type { TrainedRun } from './shared-run.js';
import { type Placed, Stepper } from './stepper.js';
import { Training } from './training.js';
import type { TrainingEvent, TrainingResult } from './training-event.js';

export type { TrainingEvent, TrainingResult } from './training-event.js';

/** Options of `train`. */
export interface TrainingOptions extends Placed {
  /** A new run, or one to continue: training starts from its newest checkpoint, if there is one. */
  readonly run: TrainedRun;
  readonly dataset: Dataset;
  /**
   * Set if several processes compute each step together: the network was placed with them, `run` is a `SharedRun`, and every rank
   * makes the same call of `train`. A rank that fails must end the others.
   */
  readonly ranks?: TrainingRanks;
  /** The parameters that a new run starts from, instead of the drawn ones. */
  readonly initialParameters?: Readonly<Record<string, HostTensor>>;
  /**
   * Opens the adapter again after it was lost, and places the network on it, with its initial parameters. Default: the loss of an
   * adapter ends the training.
   */
  reopen?(): Promise<Placed>;
  /** Default: `stop`. `rollback` continues from the last good state with half the learning rates. */
  readonly onDivergence?: 'stop' | 'rollback';
  /** Stops the run after the steps in flight (one or two), with a checkpoint. */
  readonly signal?: AbortSignal;
  onEvent?(event: TrainingEvent): void;
  /**
   * Returns custom values for the metrics of each step and each evaluation, by name; they become `extra` in `metrics.jsonl` and
   * in events. It is called when the result is available, just before the line is written; if it returns a promise, the line
   * waits for it. At an evaluation, the network is in the evaluated state; at a step, it may already have taken the next one.
   */
  scalars?(metrics: Metrics): Metrics['extra'] | Promise<Metrics['extra']>;
  /** Called before every step, which waits for it; network and augmenter may be used meanwhile. */
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
 * While it trains, the directory is locked ({@link lockRun}), on this machine and on others that share it.
 *
 * @throws ConfigError for an unknown or invalid option, if another process trains in the directory, or if a run that starts from other weights has no checkpoint
 * and does not get these weights; DivergenceError if the loss is no longer finite or explodes; DataError, CheckpointError and
 * AdapterError for problems with data, files and the adapter
 */
export async function train(options: TrainingOptions): Promise<TrainingResult> {
  const given = withoutOpenedRun(options);
  checkTrainingOptions(given);
  const onWait = (message: string) => options.onEvent?.({ kind: 'problem', message });
  return options.run.whileLocked(() => new Survivor(given).run(), { onWait });
}

function checkTrainingOptions(options: TrainingOptions): void {
  checkOptions('train', options, [
    'network',
    'augmenter',
    'run',
    'dataset',
    'ranks',
    'initialParameters',
    'reopen',
    'onDivergence',
    'signal',
    'onEvent',
    'scalars',
    'betweenSteps',
  ]);
  checkViewer('train', options);
  const { run, dataset, onDivergence = 'stop', signal } = options;
  if (typeof run?.whileLocked !== 'function') {
    throw optionError('train', 'run', 'a run, as RunDirectory.create() or RunDirectory.open() gives it', run);
  }
  checkSplit('train', dataset?.train, 'dataset.train');
  checkSplit('train', dataset.validation, 'dataset.validation');
  checkOneOf('train', 'onDivergence', onDivergence, ['stop', 'rollback']);
  checkSignal('train', signal);
}

/** Trains, and continues from the last good state after recoverable errors. */
class Survivor {
  readonly #options: TrainingOptions;
  readonly #states: GoodStates;
  #placed: Placed;
  /** The step of the latest checkpoint that was ever written. */
  #furthest = 0;
  #losses = 0;
  #rollbacks = 0;

  constructor(options: TrainingOptions) {
    this.#options = options;
    this.#states = new GoodStates(options.run, options.initialParameters, (message) =>
      options.onEvent?.({ kind: 'problem', message }),
    );
    this.#placed = options;
  }

  async run(): Promise<TrainingResult> {
    const { run, dataset, ranks, signal, onEvent, scalars, betweenSteps } = this.#options;
    let state = await this.#states.begin(this.#placed.network);
    while (true) {
      const training = new Training({
        ...this.#placed,
        run,
        dataset,
        ranks,
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
        // If this attempt fails as well, it is not the first failure.
        await training.settle().catch(() => undefined);
        if (error instanceof AdapterLostError && this.#options.reopen) {
          await this.#reopen(error);
          state = await this.#states.restore(this.#placed.network);
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
    this.#states.noteCheckpoint();
    if (step <= this.#furthest) return;
    this.#furthest = step;
    this.#losses = 0;
    this.#rollbacks = 0;
  }

  /** Opens the adapter again, which may take a driver some seconds. */
  async #reopen(loss: unknown): Promise<void> {
    const { reopen, onEvent, signal } = this.#options;
    for (let error = loss; ; ) {
      if (++this.#losses >= most) {
        throw new AdapterError(
          `the adapter was lost ${most} times without a checkpoint in between; check what resets it (its driver's log, its ` +
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

  /** Stops, or goes back to a state from before the divergence and halves the learning rates. */
  async #afterDivergence(error: DivergenceError, { rateFactor, step }: GoodState): Promise<GoodState> {
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
    // If even the first steps after a checkpoint diverge, it was taken too late.
    if (this.#rollbacks > 1) await this.#states.putAsideFrom(step);
    const { network } = this.#placed;
    const state = await this.#states.restore(network);
    const halved = rateFactor / 2;
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

  /** Repeats the steps since the last good state up to the one that failed, and examines its layers. */
  async #describe({ step, after, loss }: DivergenceError): Promise<DivergenceReport> {
    const { run, dataset, ranks } = this.#options;
    const signal = ranks ? undefined : this.#options.signal;
    const known = { step, loss: String(loss) };
    let goodStep = 0;
    try {
      const { network } = this.#placed;
      // An older state than the step, for comparison.
      const state = await this.#states.restore(network, after).catch(() => this.#states.restore(network));
      goodStep = state.step;
      const stepper = new Stepper({ ...this.#placed, run, dataset, ranks, rateFactor: state.rateFactor });
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
