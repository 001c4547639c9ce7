import type { PicturesConfig, Recipe } from '@alex/trainer';

/** How a network is trained where the command line does not say otherwise. */
export interface Defaults
  extends Pick<Recipe, 'batch' | 'learningRate' | 'schedule' | 'momentum' | 'weightDecay' | 'overrides'>,
    Pick<PicturesConfig, 'scale'> {
  /** Passes over the training pictures. */
  readonly epochs: number;
  /** Deviation of the colour shifts' draws; 0 for none. */
  readonly colourStrength: number;
}

/** Section 5 of the paper; its authors lowered the rate by hand when the validation error stalled, three times. */
const paper: Defaults = {
  batch: 128,
  learningRate: 0.01,
  schedule: { kind: 'plateau', factor: 0.1, patience: 5, threshold: 0.001, drops: 3 },
  momentum: 0.9,
  weightDecay: 0.0005,
  scale: 1,
  epochs: 90,
  colourStrength: 0.1,
};

/** torchvision divides by the deviation of ImageNet's pixels, about 0.226 of the range, and its initial weights expect so. */
const torchvision: Defaults = { ...paper, scale: 57.6 };

/** The layer-params files of cuda-convnet: biases learn twice as fast as weights. */
const cifarBiases = { '*.bias': { learningRateScale: 2 } };

function cifar(
  epochs: number,
  drops: number[],
  weightDecay: number,
  overrides: Record<string, { weightDecay: number }>,
): Defaults {
  return {
    batch: 128,
    learningRate: 0.001,
    schedule: { kind: 'step', factor: 0.1, epochs: drops },
    momentum: 0.9,
    weightDecay,
    overrides: { ...cifarBiases, ...overrides },
    scale: 1,
    epochs,
    colourStrength: 0,
  };
}

const unregularized = { conv1: { weightDecay: 0 }, conv2: { weightDecay: 0 } };

/** The demo's network on data of one's own: initial weights that expect values of about 1. */
const small: Defaults = {
  ...paper,
  batch: 32,
  schedule: { kind: 'exponential', factor: 25, steps: 3 },
  scale: 64,
  epochs: 40,
};

const byVariant: Readonly<Record<string, Defaults>> = {
  torchvision,
  'cifar-80sec': cifar(10, [8], 0.004, { fc4: { weightDecay: 0.03 }, fc5: { weightDecay: 0.03 } }),
  'cifar-19pct': cifar(140, [120, 130], 0.004, { fc4: { weightDecay: 3 } }),
  'cifar-18pct': cifar(140, [120, 130], 0.004, { fc4: { weightDecay: 1 } }),
  'cifar-13pct': cifar(160, [140, 150], 0.004, unregularized),
  'cifar-11pct': cifar(520, [500, 510], 0.004, { ...unregularized, fc5: { weightDecay: 0.01 } }),
  small,
};

/** The recipe that came with a network; the paper's for the paper's and its kin. */
export function defaultsOf(variant: string): Defaults {
  return byVariant[variant] ?? paper;
}
