import { CheckpointError, ConfigError } from '@alex/tensor';
import * as v from 'valibot';
import { Rates } from './rates.js';
import { finite, notNegative, positive, type Recipe, recipeSchema, scheduleSchema, whole } from './recipe.js';

const modelSchema = v.strictObject({
  /** The name of the network, such as `paper`. */
  variant: v.string(),
  /** Height and width of the network's input, in pixels. */
  inputSize: whole(1),
});

const hash = v.pipe(v.string(), v.hexadecimal());

/** Of one split: the number of images, a hash of their names and labels and, except in older runs, a hash of their contents. */
const splitSchema = v.strictObject({ images: whole(1), hash, content: v.exactOptional(hash) });

const dataSchema = v.strictObject({
  /** Where the images come from, as given by the user: a directory, or the name of an embedded set. */
  source: v.string(),
  /** Name of the data set. */
  name: v.string(),
  /** Names of the classes, in the order of the network's outputs. */
  classes: v.pipe(v.array(v.string()), v.minLength(2)),
  /** Of the stored images, in pixels. */
  height: whole(1),
  width: whole(1),
  channels: v.pipe(whole(1), v.maxValue(4)),
  /** The state of the data when the run started, or when a change was last permitted. */
  fingerprint: v.exactOptional(v.strictObject({ train: splitSchema, validation: splitSchema })),
  /** Fraction of the images that may be unusable. Default: the usual one. */
  maxRejected: v.exactOptional(v.pipe(notNegative, v.maxValue(1))),
});

const imagesSchema = v.strictObject({
  /** Where training crops are taken: anywhere with equal probability, or in the centre. */
  crop: v.picklist(['random', 'centre']),
  /** Whether half of the training crops are flipped left to right. */
  mirror: v.boolean(),
  /** How many neighbours in a batch share crop and flip. Default: 1. */
  chunk: v.exactOptional(whole(1)),
  /** Width of the border of mean colour around an image that crops may extend into, in pixels. */
  padding: whole(0),
  /** The mean to subtract, one pixel value per channel. */
  mean: v.array(finite),
  /**
   * The mean image, subtracted instead of `mean` at the position of a crop: `[channels, height, width]` of float32,
   * little-endian, in base64.
   */
  meanImage: v.exactOptional(v.pipe(v.string(), v.base64())),
  /** Divisor of the differences from the mean; 1 gives pixel values, as in the paper. */
  scale: positive,
  /** Colour shifts along the principal components of the training pixels; omitted if there are none. */
  colour: v.exactOptional(
    v.strictObject({
      standardDeviations: v.pipe(v.array(notNegative), v.length(3)),
      axes: v.pipe(v.array(v.pipe(v.array(finite), v.length(3))), v.length(3)),
      /** Standard deviation of the random shifts. */
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

/** The properties of the network that a run stores. */
export type ModelConfig = v.InferOutput<typeof modelSchema>;
/** The images that a run is trained on. */
export type DataConfig = v.InferOutput<typeof dataSchema>;
/** How images are converted to the network's input. */
export type ImagesConfig = v.InferOutput<typeof imagesSchema>;
/** Everything needed to build a run's network and prepare its images again: `config.json`. */
export type RunConfig = v.InferOutput<typeof runConfigSchema>;

/**
 * Checks a configuration from a program or a command line.
 *
 * @throws ConfigError with the option, its value and what is allowed
 */
export function checkRunConfig(config: RunConfig): RunConfig {
  const checked = parseBy(runConfigSchema, config);
  if ('wrong' in checked) throw new ConfigError(checked.wrong);
  const { recipe } = checked.output;
  // The fields of a schedule depend on each other, which its own package checks.
  new Rates(recipe);
  const { batch, microBatch = batch } = recipe;
  if (batch % microBatch !== 0) {
    throw new ConfigError(`recipe.microBatch: ${microBatch} must divide the batch of ${batch} evenly`);
  }
  return checked.output;
}

/**
 * Checks a single schedule.
 *
 * @param what its name in errors
 * @throws ConfigError with the field, its value and what is allowed
 */
export function checkSchedule(what: string, schedule: unknown): Recipe['schedule'] {
  const checked = v.safeParse(scheduleSchema, schedule);
  if (!checked.success) throw new ConfigError(`${what}: ${complaint(checked.issues[0])}`);
  try {
    // The fields of a schedule depend on each other, which its own package checks.
    new Rates({ learningRate: 1, schedule: checked.output });
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError(`${what}: ${error.message}`, { cause: error });
    throw error;
  }
  return checked.output;
}

/**
 * Describes the network in the metadata of a run's weight files: the tensors alone do not distinguish networks that differ only
 * in operations without parameters.
 */
export function modelNotes({ model, data, images }: RunConfig): Record<string, string> {
  return {
    variant: model.variant,
    inputSize: String(model.inputSize),
    classes: JSON.stringify(data.classes),
    // A mean image has the size of its own images.
    ...(images.meanImage === undefined && { mean: JSON.stringify(images.mean) }),
    scale: String(images.scale),
    imageSize: JSON.stringify([data.height, data.width]),
  };
}

const modelNotesSchema = v.object({
  variant: v.string(),
  inputSize: v.pipe(v.string(), v.regex(/^\d+$/), v.transform(Number)),
  classes: v.optional(v.pipe(v.string(), v.parseJson(), v.array(v.string()))),
  mean: v.optional(v.pipe(v.string(), v.parseJson(), v.array(finite))),
  scale: v.optional(v.pipe(v.string(), v.transform(Number), positive)),
  imageSize: v.optional(v.pipe(v.string(), v.parseJson(), v.tuple([whole(1), whole(1)]))),
});

/**
 * The description of the network in a file of weights; undefined if there is none, as in files of other programs or older
 * versions.
 */
export interface NotedModel extends ModelConfig {
  /** Names of its classes, in the order of its outputs. */
  readonly classes?: readonly string[] | undefined;
  /** The subtracted mean, one pixel value per channel. */
  readonly mean?: readonly number[] | undefined;
  /** What the differences from the mean were divided by. */
  readonly scale?: number | undefined;
  /** Height and width of its images before they were cropped, in pixels. */
  readonly imageSize?: readonly [height: number, width: number] | undefined;
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
 * Parses the text of a `config.json`.
 *
 * @throws CheckpointError with the file, the place in it, and what should be there
 */
export function parseRunConfig(file: string, text: string): RunConfig {
  const remedy = 'restore the file or start the run again';
  let json: unknown;
  try {
    json = JSON.parse(inTodaysNames(text));
  } catch {
    throw new CheckpointError(`${file}: is not JSON (it was changed or truncated); ${remedy}`);
  }
  const parsed = parseBy(runConfigSchema, json);
  if ('wrong' in parsed) throw new CheckpointError(`${file}: ${parsed.wrong}; ${remedy}`);
  return parsed.output;
}

/** Names that every object has by itself. Records of valibot leave them out without a word. */
const reserved = ['__proto__', 'constructor', 'prototype'];

/** What JSON means by a schema, or what is wrong with it. */
export function parseBy<Output>(
  schema: v.GenericSchema<unknown, Output>,
  json: unknown,
): { readonly output: Output } | { readonly wrong: string } {
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) return { wrong: complaint(parsed.issues[0]) };
  const wrong = reservedName(json);
  return wrong === undefined ? { output: parsed.output } : { wrong };
}

/** Says where JSON uses a name that would be left out, such as that of a parameter; undefined if it uses none. */
function reservedName(json: unknown, place = ''): string | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  for (const [name, value] of Object.entries(json)) {
    const within = place === '' ? name : `${place}.${name}`;
    if (reserved.includes(name)) return `${within} is unknown`;
    const found = reservedName(value, within);
    if (found !== undefined) return found;
  }
  return undefined;
}

function complaint(issue: v.BaseIssue<unknown>): string {
  const place = v.getDotPath(issue) ?? 'the configuration';
  if (issue.received === 'undefined') return `${place} is missing`;
  if (issue.expected === 'never') return `${place} is unknown`;
  return `${place}: expected ${issue.expected ?? 'a finite number'}, got ${issue.received}`;
}
