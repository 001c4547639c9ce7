import type { Recorder } from '../kernel/recorder.js';
import type { Tensor } from '../kernel/tensor.js';

export interface LossOutput {
  /** One value per image, `[N]`, in nats. */
  readonly loss: Tensor;
  /** 0 or 1 per image, fractional at ties, `[N]`. */
  readonly top1Error: Tensor;
  readonly top5Error: Tensor;
  /** `[N, classes]`. */
  readonly probabilities: Tensor;
  /** Gradient of the MEAN loss over the batch with respect to the network's output; only if requested. */
  readonly outputGradient?: Tensor;
}

/** The objective and error measures of a network's output. */
export interface Loss {
  readonly kind: string;
  record(
    recorder: Recorder,
    values: { readonly output: Tensor /** u32, `[N]` */; readonly labels: Tensor; readonly training: boolean },
  ): LossOutput;
}
