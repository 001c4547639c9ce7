import type { Augmenter } from '@alex/augment';
import { batchesPerEpoch, batchIndices, type Dataset, type ImageBatch, stepPosition } from '@alex/data';
import { ConfigError } from '@alex/tensor';
import type { LayerStatistics, Network, StepResult, StepUnderWay } from '@alex/tensor/network';
import type { Metrics } from './metrics.js';
import { gatherNumbers, type TrainingRanks } from './ranks.js';
import { errorsOf, Rates } from './rates.js';
import type { TrainedRun } from './shared-run.js';

/** A network on its adapter, and its augmenter. */
export interface Placed {
  readonly network: Network;
  readonly augmenter: Augmenter;
}

/** Options from which the steps of a run are built. */
export interface StepperOptions extends Placed {
  readonly run: TrainedRun;
  readonly dataset: Dataset;
  /** Set if several processes compute each step together; the network was placed with them. */
  readonly ranks?: TrainingRanks | undefined;
  /** A factor for the learning rates of the recipe. */
  readonly rateFactor: number;
}

/** The images of one step, their indices in the data set, and the pass that the step belongs to. */
export interface StepBatch extends ImageBatch {
  readonly images: Uint32Array;
  readonly epoch: number;
}

/** A step that the adapter has yet to finish. */
export interface SubmittedStep {
  readonly learningRate: number;
  /** Means over the images. */
  result(): Promise<StepResult>;
}

/** Builds the steps of a run: each is a function of the recipe, the step's number and the validations before it. */
export class Stepper {
  readonly #options: StepperOptions;
  readonly #rates: Rates;

  constructor(options: StepperOptions) {
    const { run, network, rateFactor, ranks } = options;
    const { recipe } = run.config;
    const size = ranks?.size ?? 1;
    if (size * network.batch * network.microBatches !== recipe.batch) {
      throw new ConfigError(
        `the network takes ${network.microBatches} x ${network.batch} images per step${size > 1 ? ` on each of ${size} ranks` : ''}, the recipe says ${recipe.batch}; place it with the recipe's batch`,
      );
    }
    if (network.learningRate !== recipe.learningRate) {
      throw new ConfigError(
        `the network's optimizer has the learning rate ${network.learningRate}, the recipe says ${recipe.learningRate}; steps use the recipe's, so both must be the same`,
      );
    }
    this.#options = options;
    this.#rates = new Rates(recipe, rateFactor);
  }

  /** Reads the images of a step, counted from 0; each rank reads its own. */
  read(step: number): Promise<StepBatch> {
    const { run, dataset, ranks } = this.#options;
    const { batch, seed } = run.config.recipe;
    const { epoch, position } = stepPosition(dataset.train.length, { batch }, step);
    const all = batchIndices(dataset.train.length, { batch, seed, epoch, position });
    const share = batch / (ranks?.size ?? 1);
    const first = (ranks?.rank ?? 0) * share;
    const images = all.subarray(first, first + share);
    const batchOfStep = dataset.train.read(images).then((read) => ({ ...read, images, epoch }));
    // A failure is reported when the batch is awaited, unless the run ends before.
    batchOfStep.catch(() => undefined);
    return batchOfStep;
  }

  /** Passes over the training images after a number of steps. */
  epochOf(step: number): number {
    const { dataset, run } = this.#options;
    const { batch } = run.config.recipe;
    return step / batchesPerEpoch(dataset.train.length, { batch });
  }

  /**
   * Submits the network's next step to the adapter.
   *
   * @param validations those before it
   * @returns undefined if the signal was aborted between two micro-batches of the step, which then changed nothing
   */
  async submit(
    batch: StepBatch,
    validations: readonly Metrics[],
    signal?: AbortSignal,
  ): Promise<SubmittedStep | undefined> {
    const { network } = this.#options;
    const { recipe } = this.#options.run.config;
    const rates = this.#rates.at(network.stepCount, {
      epochOf: (step) => this.epochOf(step),
      validationErrors: errorsOf(validations, recipe),
    });
    const underWay: StepUnderWay[] = [];
    for (let microBatch = 0; microBatch < network.microBatches; microBatch++) {
      if (microBatch > 0 && signal?.aborted) return undefined;
      const labels = await this.#show(batch, microBatch);
      underWay.push(await network.submitStep(network.input, labels, rates));
    }
    const result = async () => this.#meanOverRanks(await Promise.all(underWay.map((one) => one.result())));
    return { learningRate: rates.learningRate, result };
  }

  /** Statistics of the network's layers for the first images of a step. */
  async statistics(batch: StepBatch): Promise<LayerStatistics[]> {
    const { network } = this.#options;
    return network.statistics(network.input, await this.#show(batch, 0));
  }

  /** The mean over a step's micro-batches on all ranks: the same as that of one process with as many micro-batches. */
  async #meanOverRanks(own: readonly StepResult[]): Promise<StepResult> {
    const { ranks } = this.#options;
    if (!ranks) return meanOf(own);
    const numbers = own.flatMap(({ loss, top1Error, top5Error }) => [loss, top1Error, top5Error]);
    const all = (await gatherNumbers(ranks, numbers)).flat();
    return meanOf(
      Array.from({ length: all.length / 3 }, (_, i) => ({
        loss: all[3 * i]!,
        top1Error: all[3 * i + 1]!,
        top5Error: all[3 * i + 2]!,
      })),
    );
  }

  /** Writes the images of one of a step's micro-batches to the network's input; returns their labels. */
  async #show({ pixels, labels, images, epoch, count }: StepBatch, microBatch: number): Promise<Uint32Array> {
    const { network, augmenter, run } = this.#options;
    const [first, end] = [microBatch * network.batch, (microBatch + 1) * network.batch];
    const bytes = pixels.length / count;
    const colourStrength = this.#rates.colourStrengthAt(this.epochOf(network.stepCount));
    await augmenter.run({
      pixels: pixels.subarray(first * bytes, end * bytes),
      images: images.subarray(first, end),
      training: true,
      seed: run.config.recipe.seed,
      epoch,
      ...(colourStrength !== undefined && { colourStrength }),
    });
    return labels.subarray(first, end);
  }
}

function meanOf(results: readonly StepResult[]): StepResult {
  const mean = (of: (result: StepResult) => number) =>
    results.reduce((sum, result) => sum + of(result), 0) / results.length;
  return {
    loss: mean(({ loss }) => loss),
    top1Error: mean(({ top1Error }) => top1Error),
    top5Error: mean(({ top5Error }) => top5Error),
  };
}
