import type { Gpu } from '../adapter/gpu.js';
import type { DispatchTiming } from '../kernel/program.js';
import type { Tensor } from '../kernel/tensor.js';
import type { HostTensor } from '../shape.js';
import type { NetworkDescription, NetworkTable } from './description.js';
import type { LayerStatistics } from './statistics.js';

export interface StepOptions {
  /** Overrides the optimizer's own. */
  readonly learningRate?: number;
  /** Rates of some parameters instead of `learningRate`: by dotted name, by layer, or by kind (`*.bias`); the most specific one wins. */
  readonly learningRates?: Readonly<Record<string, number>>;
}

/** Means over the batch. */
export interface StepResult {
  /** In nats. */
  readonly loss: number;
  /** Fractions between 0 and 1. */
  readonly top1Error: number;
  readonly top5Error: number;
}

/** A step that was submitted to the adapter. */
export interface StepUnderWay {
  /** Waits for the step. Further calls return the same result. */
  result(): Promise<StepResult>;
}

export interface Evaluation {
  /** One value per image. */
  readonly losses: Float32Array;
  readonly top1Errors: Float32Array;
  readonly top5Errors: Float32Array;
  /** `[N, classes]` */
  readonly probabilities: HostTensor;
}

/** Bytes on the adapter, or on all adapters together. */
export interface MemoryPlan {
  readonly parameterBytes: number;
  /** The optimizer's state. */
  readonly stateBytes: number;
  /** Values that layers keep from step to step without learning them. */
  readonly layerStateBytes: number;
  /** Everything within a step: activations, gradients, and the temporary tensors of kernels. */
  readonly activationBytes: number;
  /** How much of that is alive at the peak: no plan can need less. */
  readonly leastActivationBytes: number;
  /** Staging buffers for transfers between adapters: 0 on one adapter. */
  readonly exchangeBytes: number;
  /** The largest single buffer. */
  readonly largestBufferBytes: number;
  /**
   * Everything, including programs for requested features, images, labels, results, and sums of gradients if a step has
   * several micro-batches.
   */
  readonly totalBytes: number;
  /** Of each adapter, if there are several. */
  readonly adapters?: readonly MemoryPlan[];
}

/** The destination of images on one of a network's adapters. */
export interface NetworkInput {
  readonly gpu: Gpu;
  /** Shape `[N, C, H, W]`, stored as `[C, H, W, N]`: all images of a batch, or those of this adapter. */
  readonly tensor: Tensor;
  /** The batch index of its first image. */
  readonly firstImage: number;
}

/** A described network on its adapter or adapters, ready to run. */
export interface Network {
  readonly description: NetworkDescription;
  /** Images per batch; fixed when the network was placed. */
  readonly batch: number;
  /**
   * Micro-batches per step: this many calls of `submitStep` or `step` make one step, and the last of them updates the
   * parameters.
   */
  readonly microBatches: number;
  /** The optimizer's own, used by steps that do not specify another one. */
  readonly learningRate: number;
  /** Steps taken or in flight since initialization, or as set by `loadState`. */
  readonly stepCount: number;
  /**
   * The destinations of images, on each adapter. A program that prepares images on the adapters fills all of these and
   * passes `input` as the batch.
   */
  readonly inputs: readonly NetworkInput[];
  /** The tensor of the first input; on one adapter, it has all images. */
  readonly input: Tensor;
  /** The output of the last layer for up to `batch` images, with dropout off: `[N, classes]`. */
  forward(images: HostTensor | Tensor): Promise<HostTensor>;
  /**
   * The activations of any layer for up to `batch` images, with dropout off: `[N, C, H, W]` or `[N, F]`, gathered from
   * all adapters. The first call for a layer compiles a program, which is kept with its memory until `dispose`.
   *
   * @throws ConfigError that lists the layers, if there is none of this name
   */
  features(images: HostTensor | Tensor, layer: string): Promise<HostTensor>;
  /** Loss, errors and probabilities for up to `batch` labelled images, with dropout off. */
  evaluate(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<Evaluation>;
  /**
   * Submits one training step (or one of its `microBatches`) on exactly `batch` images and returns while the adapter
   * computes. When the promise resolves, images and labels may be overwritten, and `input` filled for the next step. At
   * most two steps are in flight: a third waits for the first.
   */
  submitStep(images: HostTensor | Tensor, labels: ArrayLike<number>, options?: StepOptions): Promise<StepUnderWay>;
  /** Takes one training step and waits for it. */
  step(images: HostTensor | Tensor, labels: ArrayLike<number>, options?: StepOptions): Promise<StepResult>;
  /** Takes one training step in which the adapter times each dispatch, if it has the feature `timestamp-query`. */
  profile(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<DispatchTiming[]>;
  /** The gradients of the mean loss over exactly `batch` images, by dotted name; changes nothing. */
  gradients(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<Record<string, HostTensor>>;
  /**
   * Statistics of each layer in a step on exactly `batch` images, from the image upwards, to find out where values
   * explode. Changes nothing.
   */
  statistics(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<LayerStatistics[]>;
  /** Copies of the parameters by dotted name (`conv1.weight`), in the public layout. Default: all of them. */
  parameters(names?: readonly string[]): Promise<Record<string, HostTensor>>;
  /**
   * Writes all parameters. Also writes the layers' state, if any of it is included, as in a run's
   * `weights.safetensors`.
   *
   * @throws CheckpointError that names a missing, unknown or misshapen value; then nothing was written
   */
  loadParameters(parameters: Readonly<Record<string, HostTensor>>): void;
  /** The optimizer's state (`conv1.weight.velocity`). */
  optimizerState(): Promise<Record<string, HostTensor>>;
  /**
   * Copies of the values that layers keep without learning them, by dotted name (`norm1.mean`); empty for most
   * networks.
   */
  layerState(): Promise<Record<string, HostTensor>>;
  /**
   * Continues where another network stopped, once its parameters are loaded. `layerState` is optional only if no layer
   * has any.
   *
   * @throws CheckpointError that names a missing, unknown or misshapen value; then nothing was written
   */
  loadState(state: {
    readonly step: number;
    readonly optimizerState: Readonly<Record<string, HostTensor>>;
    readonly layerState?: Readonly<Record<string, HostTensor>>;
  }): void;
  table(): NetworkTable;
  memory(): MemoryPlan;
  dispose(): void;
}
