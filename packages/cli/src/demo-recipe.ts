import type { ImagesConfig, Recipe } from '@alex/trainer';

/** All settings that determine what the demo learns, and how long it takes. */
export const demoRecipe: {
  readonly variant: 'small';
  readonly classes: number;
  /** Height and width of the rendered images, from which crops of the network's input size are taken; in pixels. */
  readonly imageSize: number;
  readonly images: Pick<ImagesConfig, 'mirror' | 'scale'> & { readonly colourStrength: number };
  readonly training: Omit<Recipe, 'seed'>;
  readonly seed: number;
} = {
  variant: 'small',
  classes: 24,
  imageSize: 64,
  images: { mirror: true, scale: 64, colourStrength: 0.1 },
  training: {
    batch: 32,
    steps: 200,
    learningRate: 0.01,
    schedule: { kind: 'exponential', factor: 25, steps: 3 },
    momentum: 0.9,
    weightDecay: 0.0005,
    evaluateEvery: 50,
    checkpointEvery: 100,
  },
  seed: 1,
};
