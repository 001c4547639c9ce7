import { availableParallelism } from 'node:os';
import type { Augmenter } from '@alex/augment';
import { softmaxCrossEntropy } from '@alex/loss';
import { alexnet } from '@alex/model-alexnet';
import { partsOn, place, type Strategy } from '@alex/multi-gpu';
import { sgd } from '@alex/optim';
import { type AdapterError, type Gpu, type HostTensor, MemoryError, type NetworkDescription } from '@alex/tensor';
import { compileKernels, type Tunings } from '@alex/tensor/kernels';
import { type CompileOptions, checkFits, type Network } from '@alex/tensor/network';
import { createRunAugmenter, type LearntWeights, loadLearnt, type RunConfig, type TrainingRanks } from '@alex/trainer';
import { openAdapters } from './adapters.js';
import { chooseSharing, type Sharing } from './sharing.js';
import { applyTuning, type Tuning, usualTuning } from './tuning.js';

/** A run's network and its augmenter, on one or several adapters. */
export interface Session {
  readonly gpus: readonly Gpu[];
  readonly network: Network;
  readonly augmenter: Augmenter;
  /** The kernels of the network on each adapter, as far as they were measured. */
  readonly tunings: readonly Tunings[];
  /** How several adapters share the work. */
  readonly strategy: Strategy;
  dispose(): void;
}

/** Describes a network by its name, before any adapter is opened; it knows its default sizes. */
export function describeModel(model: {
  readonly variant: string;
  readonly inputSize?: number | undefined;
  readonly classes?: number | undefined;
  readonly channels?: number;
}): NetworkDescription {
  const { variant, inputSize, classes, channels = 3 } = model;
  return alexnet({
    variant,
    channels,
    ...(inputSize !== undefined && { inputSize }),
    ...(classes !== undefined && { classes }),
  });
}

export interface SessionOptions {
  readonly adapters?: string | undefined;
  /** How several adapters share the work. */
  readonly strategy?: Strategy | 'auto' | undefined;
  readonly batch?: number | undefined;
  readonly tuning?: Tuning | undefined;
  /** The most memory of the adapter to use, in bytes. */
  readonly memory?: number | undefined;
  /** The network. Default: that of the configuration. */
  readonly description?: NetworkDescription;
  /** Called for an adapter that no longer exists, if another one is left, which then does all of the work. */
  readonly onMissing?: ((error: AdapterError) => void) | undefined;
  /** Processes that make each training step together. */
  readonly ranks?: TrainingRanks | undefined;
}

/** Puts a run's network on its adapters; `batch` overrides the run's own. */
export async function openSession(
  config: RunConfig,
  options: SessionOptions & { readonly training: boolean },
): Promise<Session> {
  const { model, recipe, data } = config;
  const {
    memory,
    onMissing,
    description = describeModel({ ...model, classes: data.classes.length, channels: data.channels }),
  } = options;
  const gpus = await openAdapters(options.adapters, {
    onMissing,
    ...(memory !== undefined && { memoryBytes: memory }),
  });
  const disposers: (() => void)[] = gpus.map((gpu) => () => gpu.dispose());
  const dispose = () => {
    for (const step of disposers.splice(0).reverse()) step();
  };
  try {
    const { tuning = usualTuning, ranks } = options;
    const { batch, microBatch = batch } = recipe;
    const microBatches = batch / microBatch / (ranks?.size ?? 1);
    const placing = {
      batch: options.batch ?? microBatch,
      ...(options.training && microBatches > 1 && { microBatches }),
      ...(ranks && { ranks }),
      seed: recipe.seed,
      training: options.training,
      // Weights are always float32, so weights trained in mixed precision can be used on any adapter.
      ...(options.training && recipe.precision && { precision: recipe.precision }),
      loss: softmaxCrossEntropy(),
      optimizer: sgd({
        learningRate: recipe.learningRate,
        momentum: recipe.momentum,
        weightDecay: recipe.weightDecay,
        ...(recipe.overrides && { overrides: recipe.overrides }),
      }),
    };
    const sharing = await chooseSharing(description, gpus, placing.batch, options.strategy, tuning.say);
    const parts = gpus.length > 1 ? partsOn(description, gpus, { batch: placing.batch, ...sharing }) : [];
    const tunings: Tunings[] = [];
    for (const [index, gpu] of gpus.entries()) {
      tunings.push(await applyTuning(description, gpu, placing, tuning, parts[index]));
    }
    checkMemory(description, gpus, placing, sharing);
    // If a driver has less memory than expected, it reports this with a delay.
    const network = await validated(description.name, gpus, () => {
      const placed = place(description, gpus, { ...placing, ...sharing });
      disposers.push(() => placed.dispose());
      return placed;
    });
    const augmenter = createRunAugmenter(network, config);
    disposers.push(() => augmenter.dispose());
    // If only results are requested, nothing else is printed.
    await compileOn(gpus, options.training ? tuning.say : () => undefined);
    return { gpus, network, augmenter, tunings, strategy: sharing.strategy, dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** Compiles the kernels of the adapters, each with its share of the cores. */
async function compileOn(gpus: readonly Gpu[], say: (line: string) => void): Promise<void> {
  const cores = Math.max(1, Math.floor(availableParallelism() / gpus.length));
  const onBegin = ({ kernels }: { readonly kernels: number }) => say(`Compiling ${kernels} kernels …`);
  await Promise.all(gpus.map((gpu) => compileKernels(gpu, { cores, onBegin })));
}

/** Creates something on several adapters, and waits until all of them have validated it. */
function validated<Made>(what: string, gpus: readonly Gpu[], make: () => Made): Promise<Made> {
  return gpus.reduce<() => Promise<Made>>(
    (rest, gpu) => () => gpu.validated(what, rest),
    async () => make(),
  )();
}

/** Refuses a network that cannot fit the adapters, and says what would. */
function checkMemory(
  description: NetworkDescription,
  gpus: readonly Gpu[],
  placing: CompileOptions,
  sharing: Sharing,
): void {
  const { microBatches = 1 } = placing;
  const whole = placing.batch * microBatches;
  const check = (batch: number) => {
    const options = { ...placing, batch, ...(microBatches * batch !== whole && { microBatches: whole / batch }) };
    for (const [index, gpu] of gpus.entries()) {
      checkFits(description, gpu, options, gpus.length > 1 ? partAt(index) : undefined);
    }
  };
  const partAt = (index: number) => (batch: number) => {
    // The given distribution of images is for the requested batch; a smaller one is distributed evenly.
    const images = batch === placing.batch ? sharing.images : undefined;
    return partsOn(description, gpus, { batch, strategy: sharing.strategy, ...(images && { images }) })[index]!;
  };
  const fits = (batch: number) => {
    try {
      check(batch);
      return true;
    } catch {
      return false;
    }
  };
  try {
    check(placing.batch);
  } catch (error) {
    if (!(error instanceof MemoryError) || placing.training === false) throw error;
    for (let batch = Math.min(error.largestBatch ?? 0, whole - 1); batch > 0; batch--) {
      if (whole % batch !== 0 || !fits(batch)) continue;
      throw new MemoryError(
        `${error.message} --micro-batch ${batch} gives the same updates from several smaller batches.`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** A trained network: a run's, or one with published weights. */
export interface TrainedNetwork {
  /** Its name in errors. */
  readonly path: string;
  readonly config: RunConfig;
  /** Its layers, where they are those of no variant. */
  readonly description?: NetworkDescription;
  /** Reads its weights; prints which weights they are, unless that is obvious. */
  learnt(): Promise<TrainedWeights>;
}

/** Describes a trained network, before any adapter is opened. */
export function descriptionOf({ config, description }: TrainedNetwork): NetworkDescription {
  const { model, data } = config;
  return description ?? describeModel({ ...model, classes: data.classes.length, channels: data.channels });
}

/** Trained weights, published or from a run. */
export interface TrainedWeights {
  /** By dotted name. */
  readonly weights: Record<string, HostTensor>;
  readonly kind: LearntWeights['kind'] | 'published';
  readonly step?: number;
}

/** A network with its trained weights. */
export interface TrainedSession extends Session {
  readonly learnt: Omit<TrainedWeights, 'weights'>;
}

/** Puts a network with its trained weights on an adapter. */
export async function openTrained(run: TrainedNetwork, options: SessionOptions): Promise<TrainedSession> {
  const { weights, ...learnt } = await run.learnt();
  const description = descriptionOf(run);
  const session = await openSession(run.config, { ...options, description, training: false });
  try {
    loadLearnt(run.path, session.network, weights);
  } catch (error) {
    session.dispose();
    throw error;
  }
  return { ...session, learnt };
}
