import { access } from 'node:fs/promises';
import { batchesPerEpoch, type Dataset } from '@alex/data';
import { ConfigError, type Precision } from '@alex/tensor';
import { checkRunConfig, type RunConfig, RunDirectory } from '@alex/trainer';
import { measurePictures, openData, openDataOfRun } from '../data.js';
import { exitCode } from '../failure.js';
import type { AdapterOptions, TuningOptions } from '../options.js';
import { type Output, percent } from '../output.js';
import { defaultsOf } from '../recipes.js';
import { describeModel } from '../session.js';
import { type Tuning, usualEffort } from '../tuning.js';
import { alexnetCommand, refuseExisting, runTraining, sayHowToGoOn, trainingResult, tuningsOfRun } from './training.js';

/** What `train` takes; what is left out comes with the network, or from the run that goes on. */
export interface TrainOptions extends AdapterOptions, TuningOptions {
  readonly run: string;
  readonly data?: string;
  readonly model?: string;
  readonly classes?: number;
  readonly batch?: number;
  readonly steps?: number;
  readonly epochs?: number;
  readonly seed?: number;
  readonly precision?: Precision;
  readonly learningRate?: number;
  readonly crop?: number;
  readonly size?: number;
  readonly mirror: boolean;
  readonly colour: boolean;
  readonly evaluateEvery?: number;
  readonly resume: boolean;
  readonly dashboard?: boolean;
}

/** Trains a new run or, with `resume`, goes on with one; gives the exit code. */
export async function trainCommand(options: TrainOptions, output: Output): Promise<number> {
  if (!options.resume) await refuseExisting(options.run);
  const exists = await RunDirectory.exists(options.run);
  const { config, dataset, kernels, begin } = exists ? await oldRun(options) : await newRun(options);
  const tuning = { ...kernels, say: output.line };
  const trained = await runTraining(
    { config, dataset, adapters: options.adapters, tuning, output, dashboard: options.dashboard ?? false },
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
  for (const command of ['evaluate --views 10', 'report', 'classify PICTURE']) {
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
  const { model: variant = 'paper', data: source } = options;
  if (source === undefined) {
    throw new ConfigError('--data is missing: give a directory of pictures, or the word emoji for the embedded ones');
  }
  const inputSize = describeModel({ variant, inputSize: options.crop, classes: options.classes }).input[1]!;
  const dataset = await openData(source, {
    classes: options.classes,
    size: options.size,
    usualSize: sizeAround(inputSize),
  });
  const defaults = defaultsOf(variant);
  const { length } = dataset.train;
  const batch = options.batch ?? Math.min(defaults.batch, length);
  if (batch > length) {
    throw new ConfigError(`--batch ${batch}: there are only ${length} pictures to learn from; give at most ${length}`);
  }
  const stepsPerEpoch = batchesPerEpoch(length, { batch });
  // Rarely enough to cost little on small data, and at least once an epoch on large.
  const often = Math.max(50, stepsPerEpoch);
  const { height, width, channels, classes, name } = dataset;
  const config = checkRunConfig({
    model: { variant, inputSize },
    data: { source, name, classes: [...classes], height, width, channels },
    pictures: {
      crop: 'random',
      mirror: options.mirror,
      padding: 0,
      scale: defaults.scale,
      ...(await measurePictures(dataset, { colourStrength: options.colour ? defaults.colourStrength : 0 })),
    },
    recipe: {
      batch,
      steps: options.steps ?? stepsPerEpoch * (options.epochs ?? defaults.epochs),
      seed: options.seed ?? 0,
      precision: options.precision ?? 'float32',
      learningRate: options.learningRate ?? defaults.learningRate,
      schedule: defaults.schedule,
      momentum: defaults.momentum,
      weightDecay: defaults.weightDecay,
      ...(defaults.overrides && { overrides: defaults.overrides }),
      evaluateEvery: options.evaluateEvery ?? often,
      checkpointEvery: often,
    },
  });
  const description = describeModel({ variant, inputSize, classes: classes.length, channels });
  const kernels = { effort: options.tune ?? usualEffort(description, config.recipe), file: options.tunings };
  return { config, dataset, kernels, begin: () => RunDirectory.create(options.run, config) };
}

/** Pictures an eighth or so larger than the crop, as 256 is to the paper's 224; never smaller than what it needs. */
function sizeAround(inputSize: number): number {
  return Math.max(inputSize, inputSize > 200 ? 256 : Math.round((inputSize * 256) / 224));
}

/** Of the options, a run that goes on can only change its length and adapter: others must agree with what it is. */
async function oldRun(options: TrainOptions): Promise<Planned> {
  const run = await RunDirectory.open(options.run);
  const { config } = run;
  const dataset = await openDataOfRun(config, options.data);
  const { model, recipe, data, pictures } = config;
  const pairs: [string, unknown, unknown][] = [
    ['--model', options.model, model.variant],
    ['--crop', options.crop, model.inputSize],
    ['--classes', options.classes, data.classes.length],
    ['--size', options.size, data.height],
    ['--batch', options.batch, recipe.batch],
    ['--seed', options.seed, recipe.seed],
    ['--precision', options.precision, recipe.precision ?? 'float32'],
    ['--learning-rate', options.learningRate, recipe.learningRate],
    ['--evaluate-every', options.evaluateEvery, recipe.evaluateEvery],
    ['--no-mirror', options.mirror ? undefined : false, pictures.mirror],
    ['--no-colour', options.colour ? undefined : false, pictures.colour !== undefined],
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

/** A run goes on with the kernels that it began with, unless others are asked for: others sum in another order. */
async function kernelsOfOldRun({ run, tune, tunings }: TrainOptions): Promise<Omit<Tuning, 'say'>> {
  if (tune !== undefined || tunings !== undefined) return { effort: tune ?? 'off', file: tunings };
  const own = tuningsOfRun(run);
  const tuned = await access(own).then(
    () => true,
    () => false,
  );
  return tuned ? { effort: 'cached', file: own, otherAdapter: true } : { effort: 'off' };
}
