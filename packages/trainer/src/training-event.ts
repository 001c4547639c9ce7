import type { Metrics } from './metrics.js';

/** The events that a training run reports. */
export type TrainingEvent =
  /** Before the first step: `step` is above 0 if a run continues from a checkpoint. */
  | { readonly kind: 'start'; readonly step: number; readonly steps: number }
  | { readonly kind: 'step' | 'validation'; readonly metrics: Metrics; readonly steps: number }
  /** During an evaluation of the validation images. */
  | { readonly kind: 'evaluating'; readonly images: number; readonly of: number }
  /** A checkpoint was written. */
  | { readonly kind: 'checkpoint'; readonly step: number }
  /** The training recovered from an error and continues; if steps are repeated, a `start` follows. */
  | { readonly kind: 'problem'; readonly message: string };

/** The result of training. */
export interface TrainingResult {
  /** False if the signal stopped it. */
  readonly finished: boolean;
  readonly step: number;
  /** The last evaluation of the validation images, if there was one. */
  readonly validation?: Metrics;
}
