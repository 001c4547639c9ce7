import type { Augmenter } from '@alex/augment';
import { batchesPerEpoch, batchIndices, type Dataset, type PictureBatch, stepPosition } from '@alex/data';
import { AlexError, CheckpointError, type Network, type StepUnderWay } from '@alex/tensor';
import { type EvaluationResult, evaluate } from './evaluation/evaluate.js';
import type { Metrics } from './metrics.js';
import type { RunDirectory } from './run-directory.js';
import { scheduleOf } from './schedule.js';

/** What a training tells whoever watches it. */
export type TrainingEvent =
  /** Before the first step: `step` is above 0 where a run goes on from a checkpoint. */
  | { readonly kind: 'start'; readonly step: number; readonly steps: number }
  | { readonly kind: 'step' | 'validation'; readonly metrics: Metrics; readonly steps: number }
  /** During an evaluation of the validation pictures. */
  | { readonly kind: 'evaluating'; readonly pictures: number; readonly of: number }
  | { readonly kind: 'checkpoint'; readonly step: number };

/** What `train` needs. */
export interface TrainingOptions {
  /** A new run, or one to go on with: training starts from its newest checkpoint where it has one. */
  readonly run: RunDirectory;
  /** As its parameters were drawn, of the run's batch. */
  readonly network: Network;
  /** Writes to the network's input. */
  readonly augmenter: Augmenter;
  readonly dataset: Dataset;
  /** Stops the run after the steps under way (one, or two), with a checkpoint. */
  readonly signal?: AbortSignal;
  onEvent?(event: TrainingEvent): void;
  /** Called before every step, which waits for it; network and augmenter are free for another use meanwhile. */
  betweenSteps?(): Promise<void> | undefined;
}

/** How far a training came. */
export interface TrainingResult {
  /** False where the signal stopped it. */
  readonly finished: boolean;
  readonly step: number;
  /** The last evaluation of the validation pictures, where there was one. */
  readonly validation?: Metrics;
}

/**
 * Trains a network by a run's recipe, and writes metrics, checkpoints and, at the end, `weights.safetensors`.
 *
 * Order of pictures, crops and dropout are functions of seed and step, so a run that was stopped and goes on ends with
 * the same weights, bit by bit, as one that never stopped. A new run that fails before its first checkpoint takes its
 * files away again, as nothing could go on from them; one that fails later keeps what it has.
 *
 * @throws AlexError where the loss is no longer a number; DataError, CheckpointError and AdapterError from below
 */
export async function train(options: TrainingOptions): Promise<TrainingResult> {
  const { run, network } = options;
  const checkpoint = await run.latestCheckpoint();
  if (checkpoint) {
    if (checkpoint.step > run.config.recipe.steps) {
      throw new CheckpointError(
        `${run.path}: its checkpoint is of step ${checkpoint.step}, past the end of a run of ${run.config.recipe.steps}`,
      );
    }
    network.loadParameters(checkpoint.parameters);
    network.loadState(checkpoint);
  }
  const history = await run.rewindMetrics(checkpoint?.step ?? 0);
  const training = new Training(options, history, checkpoint?.step);
  try {
    return await training.run();
  } catch (error) {
    if (run.isNew && training.savedStep === undefined) await run.remove();
    throw error;
  }
}

/** The pictures of one step, their numbers in the data set, and the pass that the step belongs to. */
interface StepBatch extends PictureBatch {
  readonly pictures: Uint32Array;
  readonly epoch: number;
}

class Training {
  /** The step of the newest checkpoint. */
  savedStep: number | undefined;
  readonly #options: TrainingOptions;
  readonly #validations: Metrics[];
  /** Of the step reported last. */
  #learningRate: number;
  /** The step that the adapter has to do, until its result is asked for. */
  #underWay:
    | {
        readonly underWay: StepUnderWay;
        readonly step: number;
        readonly learningRate: number;
        readonly begin: number;
      }
    | undefined;
  /** When the last result came. */
  #reported = 0;

  constructor(options: TrainingOptions, history: readonly Metrics[], savedStep: number | undefined) {
    this.#options = options;
    this.#validations = history.filter(({ split }) => split === 'val');
    this.#learningRate = history.at(-1)?.learningRate ?? options.run.config.recipe.learningRate;
    this.savedStep = savedStep;
  }

  async run(): Promise<TrainingResult> {
    const { run, network, signal, onEvent } = this.#options;
    const { steps, checkpointEvery } = run.config.recipe;
    onEvent?.({ kind: 'start', step: network.stepCount, steps });
    let next = this.#read(network.stepCount);
    while (true) {
      const step = network.stepCount;
      const saves = step % checkpointEvery === 0 && step > 0;
      // Nothing is evaluated or saved of a network whose last loss is not known.
      if (this.#lacksValidation() || saves || step === steps || signal?.aborted) await this.#report();
      // Before the step, not after it: a run that was stopped during an evaluation makes up for it.
      if (this.#lacksValidation()) await this.#validate();
      if (saves) await this.#save();
      if (step === steps || signal?.aborted) break;
      const pictures = await next;
      // The adapter computes a step while the pictures of the next one are read.
      if (step + 1 < steps) next = this.#read(step + 1);
      await this.#options.betweenSteps?.();
      await this.#step(pictures);
    }
    await this.#save();
    const finished = network.stepCount === steps && !this.#lacksValidation();
    if (finished) await run.saveWeights(await network.parameters());
    const validation = this.#validations.at(-1);
    return { finished, step: network.stepCount, ...(validation && { validation }) };
  }

  /** Whether an evaluation is due at this step that was not made yet. */
  #lacksValidation(): boolean {
    const step = this.#options.network.stepCount;
    const { steps, evaluateEvery } = this.#options.run.config.recipe;
    const due = step >= evaluateEvery && (step % evaluateEvery === 0 || step === steps);
    return due && !this.#validations.some((validation) => validation.step === step);
  }

  #read(step: number): Promise<StepBatch> {
    const { run, dataset } = this.#options;
    const { batch, seed } = run.config.recipe;
    const { epoch, position } = stepPosition(dataset.train.length, { batch }, step);
    const pictures = batchIndices(dataset.train.length, { batch, seed, epoch, position });
    const batchOfStep = dataset.train.read(pictures).then((read) => ({ ...read, pictures, epoch }));
    // A failure is heard when the batch is awaited, unless the run ends before.
    batchOfStep.catch(() => undefined);
    return batchOfStep;
  }

  /** Hands a step to the adapter, which has the step before still to do, and reports on that one. */
  async #step({ pixels, labels, pictures, epoch }: StepBatch): Promise<void> {
    const { run, network, augmenter, dataset } = this.#options;
    const { recipe } = run.config;
    const begin = performance.now();
    const learningRate = scheduleOf(recipe).learningRate({
      epoch: this.#epochOf(network.stepCount),
      epochs: recipe.steps / batchesPerEpoch(dataset.train.length, recipe),
      // Without the one that follows the last step of a run which is made longer later: it comes out of turn.
      validationErrors: this.#validations
        .filter(({ step }) => step % recipe.evaluateEvery === 0)
        .map(({ top1Error }) => top1Error),
    });
    await augmenter.run({ pixels, pictures, training: true, seed: recipe.seed, epoch });
    const underWay = await network.submitStep(network.input, labels, { learningRate });
    await this.#report();
    this.#underWay = { underWay, step: network.stepCount, learningRate, begin };
  }

  /** Waits for the step that was not reported on yet, if there is one. */
  async #report(): Promise<void> {
    if (!this.#underWay) return;
    const { underWay, step, learningRate, begin } = this.#underWay;
    this.#underWay = undefined;
    const { run, onEvent } = this.#options;
    const { batch, steps } = run.config.recipe;
    const result = await underWay.result();
    const now = performance.now();
    // The adapter begins with it when it is done with the one before.
    const imagesPerSecond = batch / ((now - Math.max(begin, this.#reported)) / 1000);
    this.#reported = now;
    this.#checkLoss(result.loss, step);
    this.#learningRate = learningRate;
    const metrics = this.#metrics('train', step, result, imagesPerSecond);
    await run.appendMetrics(metrics);
    onEvent?.({ kind: 'step', metrics, steps });
  }

  /** Comes to nothing where the signal stops it. */
  async #validate(): Promise<void> {
    const { run, network, augmenter, dataset, signal, onEvent } = this.#options;
    const begin = performance.now();
    let result: EvaluationResult;
    try {
      result = await evaluate({
        network,
        augmenter,
        split: dataset.validation,
        ...(signal && { signal }),
        onProgress: (pictures, of) => onEvent?.({ kind: 'evaluating', pictures, of }),
      });
    } catch (error) {
      if (signal?.aborted && error === signal.reason) return;
      throw error;
    }
    const step = network.stepCount;
    this.#checkLoss(result.loss, step);
    const imagesPerSecond = result.pictures / ((performance.now() - begin) / 1000);
    const metrics = this.#metrics('val', step, result, imagesPerSecond);
    this.#validations.push(metrics);
    await run.appendMetrics(metrics);
    onEvent?.({ kind: 'validation', metrics, steps: run.config.recipe.steps });
  }

  async #save(): Promise<void> {
    const { run, network, onEvent } = this.#options;
    const step = network.stepCount;
    if (this.savedStep === step) return;
    await run.saveCheckpoint({
      step,
      parameters: await network.parameters(),
      optimizerState: await network.optimizerState(),
    });
    this.savedStep = step;
    onEvent?.({ kind: 'checkpoint', step });
  }

  #epochOf(step: number): number {
    const { dataset, run } = this.#options;
    return step / batchesPerEpoch(dataset.train.length, run.config.recipe);
  }

  #metrics(
    split: Metrics['split'],
    step: number,
    { loss, top1Error, top5Error }: Pick<Metrics, 'loss' | 'top1Error' | 'top5Error'>,
    imagesPerSecond: number,
  ): Metrics {
    const learningRate = this.#learningRate;
    return { step, epoch: this.#epochOf(step), split, loss, top1Error, top5Error, learningRate, imagesPerSecond };
  }

  #checkLoss(loss: number, step: number): void {
    if (Number.isFinite(loss)) return;
    const { recipe } = this.#options.run.config;
    throw new AlexError(
      `the loss became ${loss} at step ${step}: training diverged; ` +
        `begin a new run with a lower learning rate than ${recipe.learningRate}`,
    );
  }
}
