import type { Augmenter } from '@alex/augment';
import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { CheckpointError, type Gpu, type NetworkDescription } from '@alex/tensor';
import { checkGpu, checkOptions, checkText, checkWholeNumber, optionError } from '@alex/tensor/kernels';
import { compileNetwork, type Network } from '@alex/tensor/network';
import type { RunConfig } from './config.js';
import { createRunAugmenter } from './run-augmenter.js';
import { RunDirectory } from './run-directory.js';
import type { LearntWeights, WhichWeights } from './weights-file.js';

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
  /** Batch size; more images are processed in several batches. Default: 1. */
  readonly batch?: number;
  /** Which weights. Default: the final weights of a finished run, otherwise its newest checkpoint. */
  readonly which?: WhichWeights;
}

/** A run's trained network on an adapter, and the augmenter for its input. */
export interface OpenedRun {
  readonly config: RunConfig;
  readonly network: Network;
  readonly augmenter: Augmenter;
  /** Which weights are in use. */
  readonly learnt: Omit<LearntWeights, 'weights'>;
  /** Frees the adapter's memory; the adapter itself stays open. */
  dispose(): void;
}

/**
 * Opens a run to use its network: for `predict`, `evaluate`, or `network.features`. To train it further, use `train`.
 *
 * ```ts
 * const run = await openRun('runs/mine', gpu, alexnet);
 * ```
 *
 * @param path the run's directory
 * @param describe returns the network's description: `alexnet` of `@alex/model-alexnet`, or your own function
 * @throws ConfigError if there is no run, an option is unknown, or `describe` does not know its variant; CheckpointError if it has no weights
 * yet, or its files are damaged or do not fit each other; MemoryError if the adapter has too little memory
 */
export async function openRun(
  path: string,
  gpu: Gpu,
  describe: (model: RunModel) => NetworkDescription,
  options: OpenRunOptions = {},
): Promise<OpenedRun> {
  checkOptions('openRun', options, ['batch', 'which']);
  const { batch = 1, which } = options;
  checkText('openRun', 'path', path);
  checkWholeNumber('openRun', 'batch', batch);
  checkGpu('openRun', gpu);
  if (typeof describe !== 'function') {
    throw optionError('openRun', 'describe', 'a function that describes the network, such as alexnet', describe);
  }
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
 * Loads trained weights into a network.
 *
 * @param path named in errors
 * @throws CheckpointError if the weights do not fit the network of the run's configuration
 */
export function loadLearnt(path: string, network: Network, weights: LearntWeights['weights']): void {
  try {
    network.loadParameters(weights);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    throw new CheckpointError(`${path}: its weights do not fit its config.json: ${error.message}`, { cause: error });
  }
}
