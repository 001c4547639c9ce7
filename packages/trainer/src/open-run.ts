import type { Augmenter } from '@alex/augment';
import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { CheckpointError, type Gpu, type NetworkDescription } from '@alex/tensor';
import { compileNetwork, type Network } from '@alex/tensor/network';
import type { RunConfig } from './config.js';
import { createRunAugmenter } from './run-augmenter.js';
import { type LearntWeights, RunDirectory, type WhichWeights } from './run-directory.js';

/** What a run's configuration says of its network. */
export interface RunModel {
  /** The architecture's name. */
  readonly variant: string;
  /** Height and width of the input, in pixels. */
  readonly inputSize: number;
  /** Units of the last layer. */
  readonly classes: number;
  /** Of the images. */
  readonly channels: number;
}

export interface OpenRunOptions {
  /** Images at a time; more are taken in several batches. Default: 1. */
  readonly batch?: number;
  /** Which weights. Default: those of the finished training, else of the newest checkpoint. */
  readonly which?: WhichWeights;
}

/** A run's network with what it learnt, on an adapter, and what writes images to its input. */
export interface OpenedRun {
  readonly config: RunConfig;
  readonly network: Network;
  readonly augmenter: Augmenter;
  /** Which weights they are. */
  readonly learnt: Omit<LearntWeights, 'weights'>;
  /** Gives the adapter's memory back; the adapter itself stays open. */
  dispose(): void;
}

/**
 * Opens a run to use its network: for `predict`, `evaluate`, or `network.features`. It cannot be trained further; that is
 * what `train` is for.
 *
 * ```ts
 * const run = await openRun('runs/mine', gpu, alexnet);
 * ```
 *
 * @param path the run's directory
 * @param describe makes the network's description: `alexnet` of `@alex/model-alexnet`, or a function of your own
 * @throws ConfigError where there is no run, or `describe` does not know its variant; CheckpointError where it has learnt
 * nothing yet, or its files are damaged or do not fit each other; MemoryError where the adapter has too little memory
 */
export async function openRun(
  path: string,
  gpu: Gpu,
  describe: (model: RunModel) => NetworkDescription,
  { batch = 1, which }: OpenRunOptions = {},
): Promise<OpenedRun> {
  const run = await RunDirectory.open(path);
  const { config } = run;
  const { model, data } = config;
  const { weights, ...learnt } = await run.learnt(which);
  const description = describe({
    variant: model.variant,
    inputSize: model.inputSize,
    classes: data.classes.length,
    channels: data.channels,
  });
  const network = await gpu.validated(description.name, async () =>
    compileNetwork(description, gpu, { batch, training: false, loss: softmaxCrossEntropy(), optimizer: sgd() }),
  );
  let augmenter: Augmenter | undefined;
  const dispose = () => {
    augmenter?.dispose();
    network.dispose();
  };
  try {
    augmenter = createRunAugmenter(network, config);
    loadLearnt(path, network, weights);
  } catch (error) {
    dispose();
    throw error;
  }
  return { config, network, augmenter, learnt, dispose };
}

/**
 * Gives a network what it learnt.
 *
 * @param path names it in errors
 * @throws CheckpointError where the weights are those of another network than the run's configuration describes
 */
export function loadLearnt(path: string, network: Network, weights: LearntWeights['weights']): void {
  try {
    network.loadParameters(weights);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    throw new CheckpointError(`${path}: its weights do not fit its config.json: ${error.message}`, { cause: error });
  }
}
