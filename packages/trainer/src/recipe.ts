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

/** Rows of an epoch and the value from then on. */
export const tableSchema = v.pipe(v.array(v.tuple([notNegative, notNegative])), v.minLength(1));

export const scheduleSchema = v.variant('kind', [
  v.strictObject({ kind: v.literal('step'), factor: notNegative, epochs: v.array(notNegative) }),
  v.strictObject({ kind: v.literal('table'), factors: tableSchema }),
  v.strictObject({
    kind: v.literal('exponential'),
    factor: positive,
    steps: whole(2),
    /** The time during which it falls; afterwards the rate is constant. Default: the whole run. */
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

/** A change made by hand during training, which applies from `step` on. */
export const changeSchema = v.strictObject({
  /** Steps taken before the change. */
  step: whole(0),
  /** The general learning rate of the next step, before and after. */
  learningRate: v.exactOptional(v.strictObject({ before: notNegative, after: positive })),
  /** The replacement of `schedule`. */
  schedule: v.exactOptional(scheduleSchema),
  /** The length of the run, before and after. */
  steps: v.exactOptional(v.strictObject({ before: whole(1), after: whole(1) })),
  /** Factor of all rates of the schedules from then on, so that they continue at their current value. */
  rateFactor: positive,
});

/** A change of a run by hand. */
export type RecipeChange = v.InferOutput<typeof changeSchema>;

export const recipeSchema = v.strictObject({
  /** Images per step. */
  batch: whole(1),
  /** Images per micro-batch, if a step consists of several: `batch` is a multiple of it. */
  microBatch: v.exactOptional(whole(1)),
  /** Steps of the whole run, as currently planned. */
  steps: whole(1),
  /** Seed of initial weights, order, crops and dropout; 0 to 2^32 - 1. */
  seed: v.pipe(whole(0), v.maxValue(2 ** 32 - 1)),
  /** How activations and weights are stored during training. Default: `float32`. */
  precision: v.exactOptional(v.picklist(precisions)),
  /** Initial value, before the schedule lowers it. */
  learningRate: notNegative,
  schedule: scheduleSchema,
  /** Schedules of some parameters, by name, layer or kind, instead of `schedule`. */
  schedules: v.exactOptional(v.record(v.string(), scheduleSchema)),
  /** Over the first epochs, the rates rise from a fraction of their values. */
  warmUp: v.exactOptional(v.strictObject({ epochs: notNegative, from: v.pipe(notNegative, v.maxValue(1)) })),
  /** Standard deviation of the random colour shifts from some epochs on, instead of `images.colour.strength`. */
  colourStrength: v.exactOptional(tableSchema),
  momentum: v.pipe(notNegative, v.ltValue(1)),
  weightDecay: notNegative,
  /** What differs for some parameters, by name, layer or kind (`overrides` of `sgd`). */
  overrides: v.exactOptional(v.record(v.string(), overrideSchema)),
  /** The source of the run's initial parameters, and the layers that were reinitialized all the same. */
  startsFrom: v.exactOptional(v.strictObject({ weights: v.string(), replaces: v.array(v.string()) })),
  /**
   * Steps between evaluations of the validation images; there is also one after the last step, unless the run is
   * shorter.
   */
  evaluateEvery: whole(1),
  /** Steps between checkpoints; there is always one after the last step. */
  checkpointEvery: whole(1),
  /** How many of the newest checkpoints to keep, besides the best. Default: 2. */
  keepCheckpoints: v.exactOptional(whole(1)),
  /** Changes made by hand during training, earliest first. */
  changes: v.exactOptional(v.array(changeSchema)),
});

/** How a run is trained. */
export type Recipe = v.InferOutput<typeof recipeSchema>;
