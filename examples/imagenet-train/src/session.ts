import { type Augmenter, createAugmenter } from '@alex/augment';
import { alexnet, type Variant } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { sgd } from '@alex/optim';
import { CheckpointError, type Gpu, type Network, type NetworkDescription } from '@alex/tensor';
import type { RunConfig, RunDirectory } from '@alex/trainer';
import { openAdapters } from './adapters.js';

/** A run's network and what makes its input, on an adapter. */
export interface Session {
  readonly gpu: Gpu;
  readonly network: Network;
  readonly augmenter: Augmenter;
  dispose(): void;
}

/** Describes a network by its name, before any adapter is opened; it knows its usual sizes. */
export function describeModel(model: {
  readonly variant: string;
  readonly inputSize?: number | undefined;
  readonly classes?: number | undefined;
  readonly channels?: number;
}): NetworkDescription {
  const { variant, inputSize, classes, channels = 3 } = model;
  return alexnet({
    // Checked by `alexnet`, which knows the names.
    variant: variant as Variant,
    channels,
    ...(inputSize !== undefined && { inputSize }),
    ...(classes !== undefined && { classes }),
  });
}

/** Puts a run's network on an adapter; `batch` where it is not the run's own. */
export async function openSession(
  config: RunConfig,
  options: { readonly adapters?: string | undefined; readonly training: boolean; readonly batch?: number },
): Promise<Session> {
  const { model, recipe, pictures, data } = config;
  const description = describeModel({ ...model, classes: data.classes.length, channels: data.channels });
  const gpus = await openAdapters(options.adapters);
  const disposers: (() => void)[] = gpus.map((gpu) => () => gpu.dispose());
  const dispose = () => {
    for (const step of disposers.splice(0).reverse()) step();
  };
  try {
    const network = place(description, gpus, {
      batch: options.batch ?? recipe.batch,
      seed: recipe.seed,
      training: options.training,
      optimizer: sgd({
        learningRate: recipe.learningRate,
        momentum: recipe.momentum,
        weightDecay: recipe.weightDecay,
        ...(recipe.overrides && { overrides: recipe.overrides }),
      }),
    });
    disposers.push(() => network.dispose());
    const gpu = gpus[0]!;
    const augmenter = createAugmenter(gpu, {
      output: network.input,
      source: { height: data.height, width: data.width, channels: data.channels },
      training: { crop: pictures.crop, mirror: pictures.mirror, ...(pictures.colour && { colour: pictures.colour }) },
      mean: pictures.mean,
      scale: pictures.scale,
      padding: pictures.padding,
    });
    disposers.push(() => augmenter.dispose());
    return { gpu, network, augmenter, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** Puts a run's network with the weights that it learnt on an adapter. */
export async function openTrained(
  run: RunDirectory,
  options: { readonly adapters?: string | undefined; readonly batch?: number },
): Promise<Session> {
  const weights = await run.readWeights();
  const session = await openSession(run.config, { ...options, training: false });
  try {
    session.network.loadParameters(weights);
  } catch (error) {
    session.dispose();
    if (!(error instanceof CheckpointError)) throw error;
    throw new CheckpointError(`${run.path}: its weights do not fit its config.json: ${error.message}`, {
      cause: error,
    });
  }
  return session;
}
