import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { batchesPerEpoch, type Dataset } from '@alex/data';
import type { Strategy } from '@alex/multi-gpu';
import { ConfigError } from '@alex/tensor';
import type { Precision } from '@alex/tensor/network';
import { checkRunConfig, type Recipe, type RecipeFile, type RunConfig, RunDirectory } from '@alex/trainer';
import { measureImages, openData, openDataOfRun } from '../data.js';
import { exitCode } from '../failure.js';
import type { AdapterOptions, TuningOptions } from '../options.js';
import { type Output, percent } from '../output.js';
import { defaultsOf, findRecipe } from '../recipes.js';
import { describeModel } from '../session.js';
import { type Tuning, usualEffort } from '../tuning.js';
import {
  alexnetCommand,
  refuseExisting,
  runTraining,
  sayHowToGoOn,
  trainingResult,
  tuningsOfRun,
  weightsAt,
} from './training.js';

/** What `train` takes; what is left out comes with the network, or from the run that continues. */
export interface TrainOptions extends AdapterOptions, TuningOptions {
  readonly run: string;
  readonly data?: string;
  readonly model?: string;
  /** A name or a file. Default: that of the model. */
  readonly recipe?: string;
  /** A run or a file of weights to start from. */
  readonly from?: string;
  readonly classes?: number;
  readonly batch?: number;
  readonly microBatch?: number;
  /** Whether the rate follows the batch. */
  readonly scaleRate?: boolean;
  /** In epochs. */
  readonly warmUp?: number;
  readonly patience?: number;
  readonly threshold?: number;
  readonly steps?: number;
  readonly epochs?: number;
  readonly seed?: number;
  readonly precision?: Precision;
  readonly learningRate?: number;
  readonly crop?: number;
  readonly size?: number;
  readonly randomCrop: boolean;
  readonly mirror: boolean;
  readonly chunk?: number;
  readonly colour: boolean;
  readonly evaluateEvery?: number;
  readonly strategy?: Strategy | 'auto';
  readonly trace?: string;
  readonly checkpointEvery?: number;
  readonly keep?: number;
  /** In bytes. */
  readonly memory?: number;
  readonly onDivergence?: 'stop' | 'rollback';
  readonly resume?: boolean;
  readonly dashboard?: boolean;
}

/** Trains a new run or, with `resume`, continues one; gives the exit code. */
export async function trainCommand(options: TrainOptions, output: Output): Promise<number> {
  if (!options.resume) await refuseExisting(options.run);
  const exists = await RunDirectory.exists(options.run);
  const { config, dataset, kernels, begin } = exists ? await oldRun(options) : await newRun(options);
  const tuning = { ...kernels, say: output.line };
  const { adapters, strategy, trace, memory, onDivergence, dashboard } = options;
  const trained = await runTraining(
    { config, dataset, adapters, strategy, trace, tuning, output, memory, onDivergence, dashboard },
    begin,
  );
  output.result(trainingResult(trained));
  if (trained.interruptedCode !== undefined) {
    sayHowToGoOn(trained, output);
    return trained.interruptedCode;
  }
  const { validation } = trained.result;
  if (validation) {
    output.line(
      `Validation: top-1 error ${percent(validation.top1Error)}, top-5 error ${percent(validation.top5Error)}.`,
    );
  }
  output.line(`The run is in ${options.run}. Try:`);
  for (const command of ['evaluate --views 10', 'report', 'classify IMAGE']) {
    output.line(`  ${alexnetCommand} ${command} --run ${options.run}`);
  }
  return exitCode.success;
}

interface Planned {
  readonly config: RunConfig;
  readonly dataset: Dataset;
  readonly kernels: Omit<Tuning, 'say'>;
  begin(): Promise<RunDirectory>;
}

async function newRun(options: TrainOptions): Promise<Planned> {
  const { data: source } = options;
  const recipe = options.recipe === undefined ? defaultsOf(options.model ?? 'paper') : await findRecipe(options.recipe);
  const variant = options.model ?? recipe.model.variant;
  const startsFrom = await startOf(options, recipe);
  if (source === undefined) {
    throw new ConfigError('--data is missing: give a directory of images, or the word emoji for the embedded ones');
  }
  const inputSize = describeModel({
    variant,
    inputSize: options.crop ?? recipe.model.inputSize,
    classes: options.classes,
  }).input[1]!;
  const dataset = await openData(source, {
    classes: options.classes,
    size: options.size,
    usualSize: sizeAround(inputSize),
  });
  const { length } = dataset.train;
  const batch = options.batch ?? Math.min(recipe.batch, length);
  if (batch > length) {
    throw new ConfigError(`--batch ${batch}: there are only ${length} images to learn from; give at most ${length}`);
  }
  const stepsPerEpoch = batchesPerEpoch(length, { batch });
  // Rarely enough to cost little on small data, and at least once an epoch on large.
  const often = Math.max(50, stepsPerEpoch);
  // A recipe's own division is of its own batch.
  const microBatch = options.microBatch ?? (batch === recipe.batch ? recipe.microBatch : undefined);
  const strength = options.colour ? recipe.images.colourStrength : 0;
  const warmUp = warmUpOf(options, recipe, batch);
  const { height, width, channels, classes, name } = dataset;
  const config = checkRunConfig({
    model: { variant, inputSize },
    data: { source, name, classes: [...classes], height, width, channels },
    images: {
      crop: options.randomCrop ? recipe.images.crop : 'centre',
      mirror: recipe.images.mirror && options.mirror,
      ...(options.chunk !== undefined && { chunk: options.chunk }),
      padding: recipe.images.padding,
      scale: recipe.images.scale,
      ...(await measureImages(dataset, {
        colourStrength: typeof strength === 'number' ? strength : strength[0]![1],
      })),
    },
    recipe: {
      batch,
      ...(microBatch !== undefined && { microBatch }),
      steps: options.steps ?? stepsPerEpoch * (options.epochs ?? recipe.epochs),
      seed: options.seed ?? 0,
      precision: options.precision ?? 'float32',
      learningRate: (options.learningRate ?? recipe.learningRate) * (options.scaleRate ? batch / recipe.batch : 1),
      schedule: scheduleOf(options, recipe),
      ...(recipe.schedules && { schedules: recipe.schedules }),
      ...(warmUp && { warmUp }),
      ...(typeof strength !== 'number' && { colourStrength: strength }),
      momentum: recipe.momentum,
      weightDecay: recipe.weightDecay,
      ...(recipe.overrides && { overrides: recipe.overrides }),
      ...(startsFrom && { startsFrom }),
      evaluateEvery: options.evaluateEvery ?? recipe.evaluateEvery ?? often,
      checkpointEvery: options.checkpointEvery ?? recipe.checkpointEvery ?? Math.min(often, mostStepsToLose),
      ...keeping(options, recipe),
    },
  });
  const description = describeModel({ variant, inputSize, classes: classes.length, channels });
  const kernels = { effort: options.tune ?? usualEffort(description, config.recipe), file: options.tunings };
  return { config, dataset, kernels, begin: () => RunDirectory.create(options.run, config) };
}

/** A training is saved at least so often, unless somebody says otherwise: what an interruption may cost. */
const mostStepsToLose = 500;

function keeping({ keep }: TrainOptions, { keepCheckpoints }: RecipeFile): { keepCheckpoints?: number } {
  const kept = keep ?? keepCheckpoints;
  return kept === undefined ? {} : { keepCheckpoints: kept };
}

/** The schedule of a recipe, with the patience that was asked for. */
function scheduleOf({ patience, threshold }: TrainOptions, { schedule }: RecipeFile): RecipeFile['schedule'] {
  if (patience === undefined && threshold === undefined) return schedule;
  if (schedule.kind !== 'plateau') {
    throw new ConfigError(
      `--patience and --threshold are of the schedule plateau, the recipe has ${schedule.kind}; leave them out`,
    );
  }
  return { ...schedule, ...(patience !== undefined && { patience }), ...(threshold !== undefined && { threshold }) };
}

/** A rate that follows the batch rises from what it was for the recipe's batch, another from 0. */
function warmUpOf({ warmUp, scaleRate }: TrainOptions, recipe: RecipeFile, batch: number): RecipeFile['warmUp'] {
  if (warmUp === undefined) return recipe.warmUp;
  return { epochs: warmUp, from: scaleRate ? Math.min(1, recipe.batch / batch) : 0 };
}

/** What a fine-tuning starts from; that it can be read, before anything takes time. */
async function startOf({ from }: TrainOptions, { startsFrom }: RecipeFile): Promise<Recipe['startsFrom']> {
  if (from === undefined) {
    if (!startsFrom) return undefined;
    throw new ConfigError(
      `--from is missing: the recipe continues from the weights of another run; give the run of ${startsFrom.recipe}, or its weights.safetensors`,
    );
  }
  await weightsAt(from);
  return { weights: resolve(from), replaces: startsFrom?.replaces ?? [] };
}

/** Images an eighth or so larger than the crop, as 256 is to the paper's 224; never smaller than what it needs. */
function sizeAround(inputSize: number): number {
  return Math.max(inputSize, inputSize > 200 ? 256 : Math.round((inputSize * 256) / 224));
}

/** Of the options, a run that continues can only change its length and adapter: others must agree with what it is. */
async function oldRun(options: TrainOptions): Promise<Planned> {
  const run = await RunDirectory.open(options.run);
  const { config } = run;
  const dataset = await openDataOfRun(config, options.data);
  const { model, recipe, data, images } = config;
  const pairs: [string, unknown, unknown][] = [
    ['--model', options.model, model.variant],
    ['--crop', options.crop, model.inputSize],
    ['--classes', options.classes, data.classes.length],
    ['--size', options.size, data.height],
    ['--batch', options.batch, recipe.batch],
    ['--micro-batch', options.microBatch, recipe.microBatch ?? recipe.batch],
    ['--seed', options.seed, recipe.seed],
    ['--precision', options.precision, recipe.precision ?? 'float32'],
    // What was scaled with the batch when the run was begun is scaled now.
    ['--learning-rate', options.scaleRate ? undefined : options.learningRate, recipe.learningRate],
    ['--evaluate-every', options.evaluateEvery, recipe.evaluateEvery],
    ['--checkpoint-every', options.checkpointEvery, recipe.checkpointEvery],
    ['--no-random-crop', options.randomCrop ? undefined : false, images.crop === 'random'],
    ['--chunk', options.chunk, images.chunk ?? 1],
    ['--no-mirror', options.mirror ? undefined : false, images.mirror],
    ['--no-colour', options.colour ? undefined : false, images.colour !== undefined],
  ];
  for (const [option, given, own] of pairs) {
    if (given !== undefined && given !== own) {
      throw new ConfigError(
        `${option} ${given} cannot be changed in the midst of a run, which was begun with ${own}; leave it out or choose another --run`,
      );
    }
  }
  const steps =
    options.epochs === undefined
      ? (options.steps ?? recipe.steps)
      : options.epochs * batchesPerEpoch(dataset.train.length, recipe);
  return {
    config: { ...config, recipe: { ...recipe, steps } },
    dataset,
    kernels: await kernelsOfOldRun(options),
    begin: async () => (steps === recipe.steps ? run : run.withSteps(steps)),
  };
}

/** A run continues with the kernels that it began with, unless others are asked for: others sum in another order. */
async function kernelsOfOldRun({ run, tune, tunings }: TrainOptions): Promise<Omit<Tuning, 'say'>> {
  if (tune !== undefined || tunings !== undefined) return { effort: tune ?? 'off', file: tunings };
  const own = tuningsOfRun(run);
  const tuned = await access(own).then(
    () => true,
    () => false,
  );
  return tuned ? { effort: 'cached', file: own, otherAdapter: true } : { effort: 'off' };
}
