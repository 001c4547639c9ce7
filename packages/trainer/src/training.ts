import { AlexError } from '@alex/tensor';
import { modelNotes } from './config.js';
import { LossWatch } from './divergence.js';
import { type EvaluationResult, evaluate } from './evaluation/evaluate.js';
import type { Metrics } from './metrics.js';
import { gatherNumbers } from './ranks.js';
import { type StepBatch, Stepper, type StepperOptions, type SubmittedStep } from './stepper.js';
import type { TrainingEvent, TrainingResult } from './training-event.js';

/** One attempt at training: from a state of the network to the end, or until something stops it. */
export interface TrainingAttempt extends StepperOptions {
  /** The metrics up to the network's step. */
  readonly history: readonly Metrics[];
  /** The step of the newest checkpoint. */
  readonly savedStep: number | undefined;
  readonly signal?: AbortSignal | undefined;
  onEvent?(event: TrainingEvent): void;
  scalars?(metrics: Metrics): Metrics['extra'] | Promise<Metrics['extra']>;
  betweenSteps?(): Promise<void> | undefined;
}

/** Steps, evaluations and checkpoints, one after another; checkpoints are written during the following steps. */
export class Training {
  /** The step of the newest checkpoint. */
  savedStep: number | undefined;
  readonly #options: TrainingAttempt;
  readonly #stepper: Stepper;
  readonly #validations: Metrics[];
  readonly #watch: LossWatch;
  /** The number of the step reported last. */
  #learningRate: number;
  /** The step in flight, until its result is requested. */
  #underWay: { readonly submitted: SubmittedStep; readonly step: number; readonly begin: number } | undefined;
  /** When the last result arrived. */
  #reported = 0;
  /** How often the run's directory had been removed when a checkpoint was last due to it. */
  #removals: number;
  /** The checkpoint that is being written; resolves with its error, if any. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(options: TrainingAttempt) {
    const { run, history, savedStep } = options;
    this.#options = options;
    this.#stepper = new Stepper(options);
    this.#validations = history.filter(({ split }) => split === 'val');
    this.#watch = new LossWatch(run.config.data.classes.length, history.find(({ split }) => split === 'train')?.loss);
    this.#learningRate = history.at(-1)?.learningRate ?? run.config.recipe.learningRate;
    this.#removals = run.removals;
    this.savedStep = savedStep;
  }

  async run(): Promise<TrainingResult> {
    const { run, network, signal, onEvent } = this.#options;
    const { steps, checkpointEvery } = run.config.recipe;
    onEvent?.({ kind: 'start', step: network.stepCount, steps });
    let next = this.#stepper.read(network.stepCount);
    while (true) {
      const step = network.stepCount;
      const agreed = await this.#agree();
      const stops = () => agreed.stop ?? signal?.aborted ?? false;
      let saves = (step % checkpointEvery === 0 && step > 0) || agreed.isRemoved;
      // A network whose last loss is not known is neither evaluated nor saved.
      if (this.#lacksValidation() || saves || step === steps || stops()) await this.#report();
      // Before the step, not after it: a run that was stopped during an evaluation makes up for it.
      if (this.#lacksValidation()) saves = (await this.#validate()) || saves;
      if (saves) await this.#save();
      if (step === steps || stops()) break;
      const images = await next;
      // The adapter computes a step while the images of the next one are read.
      if (step + 1 < steps) next = this.#stepper.read(step + 1);
      await this.#options.betweenSteps?.();
      await this.#step(images);
    }
    await this.#agree();
    await this.#save();
    await this.settle();
    const finished = network.stepCount === steps && !this.#lacksValidation();
    if (finished) {
      await run.saveWeights({ ...(await network.parameters()), ...(await network.layerState()) }, network.stepCount);
    }
    const validation = this.#validations.at(-1);
    return { finished, step: network.stepCount, ...(validation && { validation }) };
  }

  /**
   * What all ranks do here alike: they stop after the same step, as soon as any of them was told to (undefined without ranks), and
   * save a checkpoint if the run's directory, with those before it, was removed.
   */
  async #agree(): Promise<{ readonly stop: boolean | undefined; readonly isRemoved: boolean }> {
    const { signal, ranks } = this.#options;
    const own = this.#noticeRemoval();
    const all = ranks && (await gatherNumbers(ranks, [Number(signal?.aborted ?? false), Number(own)]));
    const isRemoved = all?.some(([, removed]) => removed === 1) ?? own;
    if (isRemoved) this.savedStep = undefined;
    return { stop: all?.some(([stop]) => stop === 1), isRemoved };
  }

  /** Whether the run's directory was removed since the last call. */
  #noticeRemoval(): boolean {
    const { run, network, onEvent } = this.#options;
    if (run.removals === this.#removals) return false;
    this.#removals = run.removals;
    onEvent?.({
      kind: 'problem',
      message:
        `${run.path}: was removed during training. It is made again, with a checkpoint of step ${network.stepCount}; ` +
        'its earlier metrics and checkpoints are gone.',
    });
    return true;
  }

  /** The signal that interrupts a step or an evaluation; undefined for several ranks, which stop together. */
  get #interruption(): AbortSignal | undefined {
    return this.#options.ranks ? undefined : this.#options.signal;
  }

  /**
   * Waits for the checkpoint that is being written.
   *
   * @throws CheckpointError if it could not be written
   */
  async settle(): Promise<void> {
    const failure = await this.#writing;
    if (failure !== undefined) throw failure;
  }

  /** Whether an evaluation is due at this step and has not been made yet. */
  #lacksValidation(): boolean {
    const step = this.#options.network.stepCount;
    const { steps, evaluateEvery } = this.#options.run.config.recipe;
    const due = step >= evaluateEvery && (step % evaluateEvery === 0 || step === steps);
    return due && !this.#validations.some((validation) => validation.step === step);
  }

  /** Submits a step to the adapter, which is still computing the previous one, and then reports the previous one. */
  async #step(batch: StepBatch): Promise<void> {
    const { network } = this.#options;
    const begin = performance.now();
    const submitted = await this.#stepper.submit(batch, this.#validations, this.#interruption);
    await this.#report();
    if (submitted) this.#underWay = { submitted, step: network.stepCount, begin };
  }

  /** Waits for the step that has not been reported yet, if there is one. */
  async #report(): Promise<void> {
    if (!this.#underWay) return;
    const { submitted, step, begin } = this.#underWay;
    this.#underWay = undefined;
    const { run, onEvent } = this.#options;
    const { batch, steps } = run.config.recipe;
    const result = await submitted.result();
    const now = performance.now();
    // The adapter starts it when the previous one is done.
    const imagesPerSecond = batch / ((now - Math.max(begin, this.#reported)) / 1000);
    this.#reported = now;
    this.#watch.check(result.loss, step, step - 1);
    this.#learningRate = submitted.learningRate;
    const metrics = await this.#metrics('train', step, result, imagesPerSecond);
    await run.appendMetrics(metrics);
    onEvent?.({ kind: 'step', metrics, steps });
  }

  /** Has no effect if the signal stops it. Returns whether there was never a lower error. */
  async #validate(): Promise<boolean> {
    const { run, network, augmenter, dataset, ranks, onEvent } = this.#options;
    const signal = this.#interruption;
    const begin = performance.now();
    let result: EvaluationResult;
    try {
      result = await evaluate({
        network,
        augmenter,
        split: dataset.validation,
        ...(signal && { signal }),
        ...(ranks && { ranks }),
        onProgress: (images, of) => onEvent?.({ kind: 'evaluating', images, of }),
      });
    } catch (error) {
      if (signal?.aborted && error === signal.reason) return false;
      throw error;
    }
    const step = network.stepCount;
    this.#watch.check(result.loss, step);
    const imagesPerSecond = result.images / ((performance.now() - begin) / 1000);
    const metrics = await this.#metrics('val', step, result, imagesPerSecond);
    const isBest = this.#validations.every(({ top1Error }) => metrics.top1Error < top1Error);
    this.#validations.push(metrics);
    await run.appendMetrics(metrics);
    onEvent?.({ kind: 'validation', metrics, steps: run.config.recipe.steps });
    return isBest;
  }

  /**
   * Copies the network's state and writes it while training continues, after the previous checkpoint has been written.
   */
  async #save(): Promise<void> {
    const { run, network, rateFactor, onEvent } = this.#options;
    const step = network.stepCount;
    await this.settle();
    if (this.savedStep === step) return;
    const validation = this.#validations.find((metrics) => metrics.step === step);
    const epoch = this.#stepper.epochOf(step);
    const { recipe } = run.config;
    const checkpoint = {
      step,
      parameters: await network.parameters(),
      optimizerState: await network.optimizerState(),
      layerState: await network.layerState(),
      rateFactor,
      ...(validation && {
        validation: { loss: validation.loss, top1Error: validation.top1Error, top5Error: validation.top5Error },
      }),
      notes: {
        ...modelNotes(run.config),
        epoch: String(Math.floor(epoch)),
        imagesOfEpoch: String(Math.round((epoch % 1) * this.#options.dataset.train.length)),
        seed: String(recipe.seed),
        batch: String(recipe.batch),
        learningRate: String(this.#learningRate),
        schedule: JSON.stringify(recipe.schedule),
      },
    };
    this.#writing = run.checkpoints.save(checkpoint).then(
      () => {
        this.savedStep = step;
        onEvent?.({ kind: 'checkpoint', step });
      },
      (failure: unknown) => failure ?? new AlexError('a checkpoint could not be written'),
    );
  }

  async #metrics(
    split: Metrics['split'],
    step: number,
    { loss, top1Error, top5Error }: Pick<Metrics, 'loss' | 'top1Error' | 'top5Error'>,
    imagesPerSecond: number,
  ): Promise<Metrics> {
    const epoch = this.#stepper.epochOf(step);
    const learningRate = this.#learningRate;
    const metrics = { step, epoch, split, loss, top1Error, top5Error, learningRate, imagesPerSecond };
    const extra = await this.#options.scalars?.(metrics);
    return { ...metrics, ...(extra && { extra }) };
  }
}
