import type { Metrics } from './metrics.js';

/** What a training tells whoever watches it. */
export type TrainingEvent =
  /** Before the first step: `step` is above 0 where a run continues from a checkpoint. */
  | { readonly kind: 'start'; readonly step: number; readonly steps: number }
  | { readonly kind: 'step' | 'validation'; readonly metrics: Metrics; readonly steps: number }
  /** During an evaluation of the validation images. */
  | { readonly kind: 'evaluating'; readonly images: number; readonly of: number }
  /** One was written. */
  | { readonly kind: 'checkpoint'; readonly step: number }
  /** Something went wrong that the training got over; it continues, a `start` follows where steps are taken again. */
  | { readonly kind: 'problem'; readonly message: string };

/** How far a training came. */
export interface TrainingResult {
  /** False where the signal stopped it. */
  readonly finished: boolean;
  readonly step: number;
  /** The last evaluation of the validation images, where there was one. */
  readonly validation?: Metrics;
}
