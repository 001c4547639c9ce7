import { precisions } from '@alex/tensor/network';
import * as v from 'valibot';

export const whole = (least: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(least));
export const finite = v.pipe(v.number(), v.finite());
export const notNegative = v.pipe(v.number(), v.finite(), v.minValue(0));
export const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));

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
  v.strictObject({
    kind: v.literal('exponential'),
    factor: positive,
    steps: whole(2),
    /** How long it falls; then the rate stays. Default: to the end of the run. */
    epochs: v.exactOptional(positive),
  }),
  v.strictObject({
    kind: v.literal('plateau'),
    factor: notNegative,
    patience: whole(1),
    threshold: notNegative,
    drops: whole(0),
  }),
]);

/** Something that was changed by hand while the run learnt: it holds from `step` on. */
export const changeSchema = v.strictObject({
  /** Steps taken by then. */
  step: whole(0),
  /** The general learning rate of the next step, before and after. */
  learningRate: v.exactOptional(v.strictObject({ before: notNegative, after: positive })),
  /** What takes the place of `schedule`. */
  schedule: v.exactOptional(scheduleSchema),
  /** The length of the run, before and after. */
  steps: v.exactOptional(v.strictObject({ before: whole(1), after: whole(1) })),
  /** What all rates of the schedules are multiplied by from then on, so that they go on from what they are. */
  rateFactor: positive,
});

/** A change of a run by hand. */
export type RecipeChange = v.InferOutput<typeof changeSchema>;

export const recipeSchema = v.strictObject({
  /** Images a step. */
  batch: whole(1),
  /** Images at a time, where a step is made of several batches: `batch` is a multiple of it. */
  microBatch: v.exactOptional(whole(1)),
  /** Steps of the whole run, as it is planned by now. */
  steps: whole(1),
  /** Of initial weights, order, crops and dropout; 0 to 2^32 - 1. */
  seed: v.pipe(whole(0), v.maxValue(2 ** 32 - 1)),
  /** How activations and weights are stored while the network learns. Default: `float32`. */
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
  /** What the run's first parameters were taken from, and the layers that began again all the same. */
  startsFrom: v.exactOptional(v.strictObject({ weights: v.string(), replaces: v.array(v.string()) })),
  /** Steps between evaluations of the validation images; one follows the last step too, unless the run is shorter. */
  evaluateEvery: whole(1),
  /** Steps between checkpoints; one follows the last step in any case. */
  checkpointEvery: whole(1),
  /** How many of the newest checkpoints are kept, beside the best. Default: 2. */
  keepCheckpoints: v.exactOptional(whole(1)),
  /** What was changed by hand while the run learnt, the earliest first. */
  changes: v.exactOptional(v.array(changeSchema)),
});

/** How a run learns. */
export type Recipe = v.InferOutput<typeof recipeSchema>;
