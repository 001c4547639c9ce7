import type { Settings } from './settings.js';

/** From the page to the worker. */
export type Order =
  | { readonly kind: 'start'; readonly settings: Settings; readonly emoji: string; readonly paused: boolean }
  | { readonly kind: 'pause' }
  | { readonly kind: 'go on' }
  | { readonly kind: 'step' }
  | { readonly kind: 'learning rate'; readonly learningRate: number };

export interface Prediction {
  /** Red, green, blue and opacity of each pixel. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  readonly size: number;
  readonly label: string;
  readonly guesses: readonly { readonly label: string; readonly probability: number }[];
}

/** From the worker to the page. */
export type News =
  | { readonly kind: 'adapter'; readonly name: string; readonly parameters: number }
  | {
      readonly kind: 'step';
      readonly step: number;
      readonly loss: number;
      readonly top1Error: number;
      readonly imagesPerSecond: number;
    }
  | { readonly kind: 'filters'; readonly shape: readonly number[]; readonly weights: Float32Array }
  | {
      readonly kind: 'evaluation';
      readonly step: number;
      readonly loss: number;
      readonly top1Error: number;
      readonly predictions: readonly Prediction[];
    }
  | { readonly kind: 'paused' }
  | { readonly kind: 'failed'; readonly message: string };
