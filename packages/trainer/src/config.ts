import { CheckpointError, ConfigError } from '@alex/tensor';
import { precisions } from '@alex/tensor/network';
import * as v from 'valibot';
import { Rates } from './rates.js';

export const whole = (least: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(least));
export const finite = v.pipe(v.number(), v.finite());
export const notNegative = v.pipe(v.number(), v.finite(), v.minValue(0));
export const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));

const modelSchema = v.strictObject({
  /** The architecture's name. */
  variant: v.string(),
  /** Height and width of the network's input, in pixels. */
  inputSize: whole(1),
});

const dataSchema = v.strictObject({
  /** Where the images come from, as it was given: a directory, or the name of an embedded set. */
  source: v.string(),
  /** Name of the data set. */
  name: v.string(),
  /** Names of the classes, in the order of the network's outputs. */
  classes: v.pipe(v.array(v.string()), v.minLength(2)),
  /** Of the stored images, in pixels. */
  height: whole(1),
  width: whole(1),
  channels: v.pipe(whole(1), v.maxValue(4)),
});

const imagesSchema = v.strictObject({
  /** Where training crops lie: anywhere with equal chance, or in the centre. */
  crop: v.picklist(['random', 'centre']),
  /** Whether half of the training crops are reflected left to right. */
  mirror: v.boolean(),
  /** How many neighbours in a batch share crop and reflection; 1 where it is left out. */
  chunk: v.exactOptional(whole(1)),
  /** Border of mean colour around an image that crops may reach into, in pixels. */
  padding: whole(0),
  /** What is subtracted, one grey level a channel. */
  mean: v.array(finite),
  /**
   * The mean image, subtracted instead of `mean` where a crop was taken: `[channels, height, width]` of float32,
   * little-endian, in base64.
   */
  meanImage: v.exactOptional(v.pipe(v.string(), v.base64())),
  /** What differences from the mean are divided by; 1 gives grey levels, as in the paper. */
  scale: positive,
  /** Colour shifts along the principal components of the training pixels; left out where there are none. */
  colour: v.exactOptional(
    v.strictObject({
      standardDeviations: v.pipe(v.array(notNegative), v.length(3)),
      axes: v.pipe(v.array(v.pipe(v.array(finite), v.length(3))), v.length(3)),
      /** Deviation of the draws. */
      strength: notNegative,
    }),
  ),
});

export const overrideSchema = v.strictObject({
  learningRateScale: v.exactOptional(notNegative),
  momentum: v.exactOptional(notNegative),
  weightDecay: v.exactOptional(notNegative),
});

/** Rows of an epoch and a value that holds from then on. */
export const tableSchema = v.pipe(v.array(v.tuple([notNegative, notNegative])), v.minLength(1));

export const scheduleSchema = v.variant('kind', [
  v.strictObject({ kind: v.literal('step'), factor: notNegative, epochs: v.array(notNegative) }),
  v.strictObject({ kind: v.literal('table'), factors: tableSchema }),
  v.strictObject({ kind: v.literal('exponential'), factor: positive, steps: whole(2) }),
  v.strictObject({
    kind: v.literal('plateau'),
    factor: notNegative,
    patience: whole(1),
    threshold: notNegative,
    drops: whole(0),
  }),
]);

const recipeSchema = v.strictObject({
  /** Images a step. */
  batch: whole(1),
  /** Images at a time, where a step is made of several batches: `batch` is a multiple of it. */
  microBatch: v.exactOptional(whole(1)),
  /** Steps of the whole run. */
  steps: whole(1),
  /** Of initial weights, order, crops and dropout; 0 to 2^32 - 1. */
  seed: v.pipe(whole(0), v.maxValue(2 ** 32 - 1)),
  /** How activations and weights are stored while the network learns; `float32` where it is left out. */
  precision: v.exactOptional(v.picklist(precisions)),
  /** Before the schedule lowers it. */
  learningRate: notNegative,
  schedule: scheduleSchema,
  /** Schedules of some parameters, by name, layer or kind, instead of `schedule`. */
  schedules: v.exactOptional(v.record(v.string(), scheduleSchema)),
  /** The rates rise from a share of themselves over the first epochs. */
  warmUp: v.exactOptional(v.strictObject({ epochs: notNegative, from: v.pipe(notNegative, v.maxValue(1)) })),
  /** Deviation of the colour shifts' draws from some epochs on, instead of `images.colour.strength`. */
  colourStrength: v.exactOptional(tableSchema),
  momentum: v.pipe(notNegative, v.ltValue(1)),
  weightDecay: notNegative,
  /** What some parameters do differently, by name, layer or kind (`sgd`'s `overrides`). */
  overrides: v.exactOptional(v.record(v.string(), overrideSchema)),
  /** What the run's first parameters were taken from, and the layers that began anew all the same. */
  startsFrom: v.exactOptional(v.strictObject({ weights: v.string(), replaces: v.array(v.string()) })),
  /** Steps between evaluations of the validation images; one follows the last step too, unless the run is shorter. */
  evaluateEvery: whole(1),
  /** Steps between checkpoints; one follows the last step in any case. */
  checkpointEvery: whole(1),
  /** How many of the newest checkpoints are kept, beside the best; 2 where it is left out. */
  keepCheckpoints: v.exactOptional(whole(1)),
});

const runConfigSchema = v.strictObject({
  model: modelSchema,
  data: dataSchema,
  images: imagesSchema,
  recipe: recipeSchema,
});

/** The network, as far as a run has to know it. */
export type ModelConfig = v.InferOutput<typeof modelSchema>;
/** The images that a run learns from. */
export type DataConfig = v.InferOutput<typeof dataSchema>;
/** How images are made into the network's input. */
export type ImagesConfig = v.InferOutput<typeof imagesSchema>;
/** How a run learns. */
export type Recipe = v.InferOutput<typeof recipeSchema>;
/** Everything that is needed to build a run's network and prepare its images again: `config.json`. */
export type RunConfig = v.InferOutput<typeof runConfigSchema>;

/**
 * Checks a configuration that was put together by hand or from a command line.
 *
 * @throws ConfigError that names the option, its value and what is allowed
 */
export function checkRunConfig(config: RunConfig): RunConfig {
  const checked = v.safeParse(runConfigSchema, config);
  if (!checked.success) throw new ConfigError(complaint(checked.issues[0]));
  const { recipe } = checked.output;
  // What a schedule is made of hangs together; its own package checks that.
  new Rates(recipe);
  const { batch, microBatch = batch } = recipe;
  if (batch % microBatch !== 0) {
    throw new ConfigError(`recipe.microBatch: ${microBatch} must divide the batch of ${batch} without a rest`);
  }
  return checked.output;
}

/** Runs from before the first release call images and the mean image pictures. */
const inTodaysNames = (text: string) =>
  text.replaceAll('"pictures":', '"images":').replaceAll('"meanPicture":', '"meanImage":');

/**
 * Reads the text of a `config.json`.
 *
 * @throws CheckpointError that names the file, the place in it, and what should be there
 */
export function parseRunConfig(file: string, text: string): RunConfig {
  const remedy = 'restore the file or begin the run anew';
  let json: unknown;
  try {
    json = JSON.parse(inTodaysNames(text));
  } catch {
    throw new CheckpointError(`${file}: is not JSON (it was changed, or cut off); ${remedy}`);
  }
  const parsed = v.safeParse(runConfigSchema, json);
  if (!parsed.success) throw new CheckpointError(`${file}: ${complaint(parsed.issues[0])}; ${remedy}`);
  return parsed.output;
}

export function complaint(issue: v.BaseIssue<unknown>): string {
  const place = v.getDotPath(issue) ?? 'the configuration';
  if (issue.received === 'undefined') return `${place} is missing`;
  if (issue.expected === 'never') return `${place} is not known`;
  return `${place}: expected ${issue.expected ?? 'another value'}, got ${issue.received}`;
}
