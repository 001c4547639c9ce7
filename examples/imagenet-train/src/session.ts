import { type Augmenter, createAugmenter } from '@alex/augment';
import { softmaxCrossEntropy } from '@alex/loss';
import { alexnet, type Variant } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { sgd } from '@alex/optim';
import {
  CheckpointError,
  type Gpu,
  type HostTensor,
  type Network,
  type NetworkDescription,
  type Tunings,
} from '@alex/tensor';
import type { RunConfig } from '@alex/trainer';
import { openAdapters } from './adapters.js';
import { floatsFromBase64 } from './base64.js';
import { applyTuning, type Tuning, usualTuning } from './tuning.js';

/** A run's network and what makes its input, on an adapter. */
export interface Session {
  readonly gpu: Gpu;
  readonly network: Network;
  readonly augmenter: Augmenter;
  /** Which kernels the network is made of, where that was measured. */
  readonly tunings: Tunings;
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

export interface SessionOptions {
  readonly adapters?: string | undefined;
  readonly batch?: number | undefined;
  readonly tuning?: Tuning | undefined;
}

/** Puts a run's network on an adapter; `batch` where it is not the run's own. */
export async function openSession(
  config: RunConfig,
  options: SessionOptions & { readonly training: boolean },
): Promise<Session> {
  const { model, recipe, pictures, data } = config;
  const description = describeModel({ ...model, classes: data.classes.length, channels: data.channels });
  const gpus = await openAdapters(options.adapters);
  const disposers: (() => void)[] = gpus.map((gpu) => () => gpu.dispose());
  const dispose = () => {
    for (const step of disposers.splice(0).reverse()) step();
  };
  try {
    const gpu = gpus[0]!;
    const placing = {
      batch: options.batch ?? recipe.batch,
      seed: recipe.seed,
      training: options.training,
      // Weights are float32 in any case: what was learnt in mixed precision can be used where there is none.
      ...(options.training && recipe.precision && { precision: recipe.precision }),
      loss: softmaxCrossEntropy(),
      optimizer: sgd({
        learningRate: recipe.learningRate,
        momentum: recipe.momentum,
        weightDecay: recipe.weightDecay,
        ...(recipe.overrides && { overrides: recipe.overrides }),
      }),
    };
    // Several adapters are for `place` to refuse, before anything takes time.
    const tunings: Tunings =
      gpus.length > 1 ? new Map() : await applyTuning(description, gpu, placing, options.tuning ?? usualTuning);
    const network = place(description, gpus, placing);
    disposers.push(() => network.dispose());
    const augmenter = createAugmenter(gpu, {
      output: network.input,
      source: { height: data.height, width: data.width, channels: data.channels },
      training: { crop: pictures.crop, mirror: pictures.mirror, ...(pictures.colour && { colour: pictures.colour }) },
      mean: pictures.meanPicture === undefined ? pictures.mean : floatsFromBase64(pictures.meanPicture),
      scale: pictures.scale,
      padding: pictures.padding,
    });
    disposers.push(() => augmenter.dispose());
    return { gpu, network, augmenter, tunings, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** A network that has learnt: a run's, or one whose weights were published. */
export interface TrainedNetwork {
  /** Names it in errors. */
  readonly path: string;
  readonly config: RunConfig;
  readWeights(): Promise<Record<string, HostTensor>>;
}

/** Puts a network with the weights that it learnt on an adapter. */
export async function openTrained(run: TrainedNetwork, options: SessionOptions): Promise<Session> {
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
