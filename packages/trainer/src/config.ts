import { CheckpointError, ConfigError } from '@alex/tensor';
import * as v from 'valibot';
import { Rates } from './rates.js';
import { finite, notNegative, positive, type Recipe, recipeSchema, scheduleSchema, whole } from './recipe.js';

const modelSchema = v.strictObject({
  /** The architecture's name. */
  variant: v.string(),
  /** Height and width of the network's input, in pixels. */
  inputSize: whole(1),
});

const hash = v.pipe(v.string(), v.hexadecimal());

/** Of one split: how many images it has, a hash of their names and labels and, but of older runs, one of what they hold. */
const splitSchema = v.strictObject({ images: whole(1), hash, content: v.exactOptional(hash) });

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
  /** What the data were when the run began, or when it was last allowed that they change. */
  fingerprint: v.exactOptional(v.strictObject({ train: splitSchema, validation: splitSchema })),
  /** Share of the images that may be unusable, where it is not the usual one. */
  maxRejected: v.exactOptional(v.pipe(notNegative, v.maxValue(1))),
});

const imagesSchema = v.strictObject({
  /** Where training crops lie: anywhere with equal chance, or in the centre. */
  crop: v.picklist(['random', 'centre']),
  /** Whether half of the training crops are reflected left to right. */
  mirror: v.boolean(),
  /** How many neighbours in a batch share crop and reflection. Default: 1. */
  chunk: v.exactOptional(whole(1)),
  /** Border of mean colour around an image that crops may reach into, in pixels. */
  padding: whole(0),
  /** What is subtracted, one pixel value a channel. */
  mean: v.array(finite),
  /**
   * The mean image, subtracted instead of `mean` where a crop was taken: `[channels, height, width]` of float32,
   * little-endian, in base64.
   */
  meanImage: v.exactOptional(v.pipe(v.string(), v.base64())),
  /** What differences from the mean are divided by; 1 gives pixel values, as in the paper. */
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

/**
 * Checks a schedule that was given by itself.
 *
 * @param what names it in errors
 * @throws ConfigError that names the field, its value and what is allowed
 */
export function checkSchedule(what: string, schedule: unknown): Recipe['schedule'] {
  const checked = v.safeParse(scheduleSchema, schedule);
  if (!checked.success) throw new ConfigError(`${what}: ${complaint(checked.issues[0])}`);
  // What a schedule is made of hangs together; its own package checks that.
  new Rates({ learningRate: 1, schedule: checked.output });
  return checked.output;
}

/**
 * What a run's files of weights say of the network that they are of, among their metadata: by itself, a file of weights does not
 * tell networks apart that differ in nothing but what they do between their layers.
 */
export function modelNotes({ model, images }: RunConfig): Record<string, string> {
  return {
    variant: model.variant,
    inputSize: String(model.inputSize),
    // A mean image is of the size of its own images.
    ...(images.meanImage === undefined && { mean: JSON.stringify(images.mean) }),
  };
}

const modelNotesSchema = v.object({
  variant: v.string(),
  inputSize: v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number)),
  mean: v.optional(v.pipe(v.string(), v.parseJson(), v.array(finite))),
});

/** What a file of weights says of its network; nothing where it does not, as files of other programs or of older versions. */
export interface NotedModel extends ModelConfig {
  /** What its images had subtracted, one pixel value a channel. */
  readonly mean?: readonly number[] | undefined;
}

/** Reads what {@link modelNotes} wrote among a file's metadata. */
export function notedModel(metadata: Readonly<Record<string, string>>): NotedModel | undefined {
  const notes = v.safeParse(modelNotesSchema, metadata);
  return notes.success ? notes.output : undefined;
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
  const remedy = 'restore the file or begin the run again';
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
