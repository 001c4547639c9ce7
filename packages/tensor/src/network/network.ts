import type { Gpu } from '../adapter/gpu.js';
import type { DispatchTiming } from '../kernel/program.js';
import type { Tensor } from '../kernel/tensor.js';
import type { HostTensor } from '../shape.js';
import type { NetworkDescription, NetworkTable } from './description.js';
import type { LayerStatistics } from './statistics.js';

export interface StepOptions {
  /** Instead of the optimizer's own. */
  readonly learningRate?: number;
  /** Rates of some parameters instead of `learningRate`: by dotted name, by layer, or by kind (`*.bias`); the most specific one wins. */
  readonly learningRates?: Readonly<Record<string, number>>;
}

/** Means over the batch. */
export interface StepResult {
  /** In nats. */
  readonly loss: number;
  /** Shares between 0 and 1. */
  readonly top1Error: number;
  readonly top5Error: number;
}

/** A step that was handed to the adapter. */
export interface StepUnderWay {
  /** Waits for the step; the second time it gives the same. */
  result(): Promise<StepResult>;
}

export interface Evaluation {
  /** One value an image. */
  readonly losses: Float32Array;
  readonly top1Errors: Float32Array;
  readonly top5Errors: Float32Array;
  /** `[N, classes]` */
  readonly probabilities: HostTensor;
}

/** Bytes on the adapter, or on all of them together. */
export interface MemoryPlan {
  readonly parameterBytes: number;
  /** What the optimizer keeps. */
  readonly stateBytes: number;
  /** What layers keep from step to step without learning it. */
  readonly layerStateBytes: number;
  /** What lives within a step: activations, gradients, and what kernels need between them. */
  readonly activationBytes: number;
  /** How much of that is alive at the worst moment: no plan can do with less. */
  readonly leastActivationBytes: number;
  /** Where values wait for another adapter to take them: 0 on one adapter. */
  readonly exchangeBytes: number;
  /** The largest single buffer. */
  readonly largestBufferBytes: number;
  /** All of it, with programs for features that were asked for, images, labels, results, and sums of gradients where a step has several micro-batches. */
  readonly totalBytes: number;
  /** Of each adapter, where there are several. */
  readonly adapters?: readonly MemoryPlan[];
}

/** Where images go, on one of a network's adapters. */
export interface NetworkInput {
  readonly gpu: Gpu;
  /** Shape `[N, C, H, W]`, memory `[C, H, W, N]`: of all images of a batch, or of those that are this adapter's. */
  readonly tensor: Tensor;
  /** The number in the batch of the first image that it holds. */
  readonly firstImage: number;
}

/** A described network on its adapter or adapters, ready to run. */
export interface Network {
  readonly description: NetworkDescription;
  /** Images at a time; fixed when the network was placed. */
  readonly batch: number;
  /** Micro-batches a step: so many calls of `submitStep` or `step` make one step, and the last of them changes the parameters. */
  readonly microBatches: number;
  /** The optimizer's own, which a step takes if it names none. */
  readonly learningRate: number;
  /** Steps taken or under way since the parameters were drawn, or as set by `loadState`. */
  readonly stepCount: number;
  /**
   * Where images go, on each adapter. A program that prepares images on the adapters fills all of these and passes
   * `input` as the batch.
   */
  readonly inputs: readonly NetworkInput[];
  /** The tensor of the first of the inputs: all of them, where there is one adapter. */
  readonly input: Tensor;
  /** The output of the last layer for up to `batch` images, dropout off: `[N, classes]`. */
  forward(images: HostTensor | Tensor): Promise<HostTensor>;
  /**
   * The activations of any layer for up to `batch` images, dropout off, in outside layout: `[N, C, H, W]` or `[N, F]`. On
   * several adapters, all of them together. The first call for a layer compiles a program that is kept, with memory of its
   * own, until `dispose`.
   *
   * @throws ConfigError that names the layers there are, if there is none of this name
   */
  features(images: HostTensor | Tensor, layer: string): Promise<HostTensor>;
  /** Loss, errors and probabilities for up to `batch` labelled images, dropout off. */
  evaluate(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<Evaluation>;
  /**
   * Hands one step of training (of several `microBatches`, one of them) on exactly `batch` images to the adapter and continues
   * while it computes. When the promise ends, images and labels may be overwritten, and `input` filled for the next step.
   * At most two steps are under way: a third waits for the first.
   */
  submitStep(images: HostTensor | Tensor, labels: ArrayLike<number>, options?: StepOptions): Promise<StepUnderWay>;
  /** One step of training, waited for. */
  step(images: HostTensor | Tensor, labels: ArrayLike<number>, options?: StepOptions): Promise<StepResult>;
  /** One step of training, each dispatch timed by the adapter, where it has the feature `timestamp-query`. */
  profile(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<DispatchTiming[]>;
  /** The gradients of the mean loss over exactly `batch` images, by dotted name; changes nothing. */
  gradients(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<Record<string, HostTensor>>;
  /**
   * How each layer fares in a step on exactly `batch` images, from the image upwards: to find out where numbers grow out
   * of all bounds. Changes nothing.
   */
  statistics(images: HostTensor | Tensor, labels: ArrayLike<number>): Promise<LayerStatistics[]>;
  /** Copies of the parameters by dotted name (`conv1.weight`), in outside layout; only those named where some are. */
  parameters(names?: readonly string[]): Promise<Record<string, HostTensor>>;
  /**
   * Writes all parameters; and the layers' state, if any of it is given beside them, as in a run's `weights.safetensors`.
   *
   * @throws CheckpointError that names a value which is missing, unknown or of another shape; then nothing was written
   */
  loadParameters(parameters: Readonly<Record<string, HostTensor>>): void;
  /** What the optimizer keeps (`conv1.weight.velocity`). */
  optimizerState(): Promise<Record<string, HostTensor>>;
  /** Copies of what layers keep without learning it, by dotted name (`norm1.mean`); empty for most networks. */
  layerState(): Promise<Record<string, HostTensor>>;
  /**
   * Continues where another network stopped, once its parameters are loaded. `layerState` may be left out only if no layer has
   * any.
   *
   * @throws CheckpointError that names a value which is missing, unknown or of another shape; then nothing was written
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
