import { basename } from 'node:path';
import { checkRunConfig, type ModelConfig, type RunConfig } from '@alex/trainer';
import { defaultsOf } from './recipes.js';

/** What a network that was read from a file needs to be used as a run's. */
export interface UsedWeights {
  readonly file: string;
  readonly model: ModelConfig;
  /** Of the images that it will get. */
  readonly images: { readonly classes: readonly string[]; readonly height: number; readonly width: number };
  readonly channels: number;
  /** What is subtracted from pixels: one value per channel. */
  readonly mean: readonly number[];
  /** Subtracted instead: float32, little-endian, in base64. */
  readonly meanImage?: string | undefined;
  /** What the differences are divided by. */
  readonly scale: number;
}

/** The configuration of a run that would have such a network: only how its images are prepared matters, and the batch. */
export function configForWeights({ file, model, images, channels, mean, meanImage, scale }: UsedWeights): RunConfig {
  const { classes, height, width } = images;
  const { batch, learningRate, momentum, weightDecay, schedule } = defaultsOf(model.variant);
  return checkRunConfig({
    model,
    data: { source: file, name: basename(file), classes: [...classes], height, width, channels },
    images: {
      crop: 'centre',
      mirror: false,
      padding: 0,
      mean: [...mean],
      ...(meanImage !== undefined && { meanImage }),
      scale,
    },
    recipe: {
      ...{ batch, learningRate, momentum, weightDecay, schedule },
      seed: 0,
      steps: 1,
      evaluateEvery: 1,
      checkpointEvery: 1,
    },
  });
}
