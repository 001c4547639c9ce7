import { resolve } from 'node:path';
import { batchesPerEpoch } from '@alex/data';
import { ConfigError, type NetworkDescription } from '@alex/tensor';
import { checkRunConfig, type Recipe, type RecipeFile, type RunConfig, RunDirectory } from '@alex/trainer';
import { microBatchFor } from './cluster/micro-batch.js';
import { measureImages, openData, sourceForConfig } from './data.js';
import { fingerprintOf } from './data-fingerprint.js';
import { overridesOf } from './frozen-layers.js';
import { differenceOf } from './network-difference.js';
import type { Output } from './output.js';
import { defaultsOf, findRecipe } from './recipes.js';
import { scheduleOf } from './schedule-option.js';
import { describeModel } from './session.js';
import { type StartingPoint, startingPoint } from './starting-point.js';
import type { PlannedTraining, TrainOptions } from './train-options.js';
import { usualEffort } from './tuning.js';

/**
 * Plans a new run: by its recipe, and by what the options say differently.
 *
 * @param ranks how many processes make each step
 */
export async function newRun(options: TrainOptions, output: Pick<Output, 'line'>, ranks = 1): Promise<PlannedTraining> {
  const { data: source, from, run, maxRejected } = options;
  if (options.resume && source === undefined) {
    throw new ConfigError(`${run}: there is no run to resume here; to start one, give --data`);
  }
  const start = from === undefined ? undefined : await startingPoint(from);
  checkNamesNetwork(options, start);
  const recipe =
    options.recipe === undefined
      ? defaultsOf(options.model ?? start?.variant ?? 'paper')
      : await findRecipe(options.recipe);
  // A network without its own recipe uses the paper's.
  const variant = options.model ?? (options.recipe === undefined ? start?.variant : undefined) ?? recipe.model.variant;
  const startsFrom = startOf(options, recipe, start, variant);
  if (source === undefined) {
    throw new ConfigError('--data is missing: give a directory of images, or the word emoji for the embedded ones');
  }
  const inputSize = describeModel({
    variant,
    inputSize: options.crop ?? recipe.model.inputSize ?? (start?.variant === variant ? start.inputSize : undefined),
    classes: options.classes,
  }).input[1]!;
  const dataset = await openData(
    source,
    { classes: options.classes, size: options.size, usualSize: sizeAround(inputSize) },
    { maxRejected, output },
  );
  const { length } = dataset.train;
  const batch = options.batch ?? Math.min(recipe.batch, length);
  if (batch > length) {
    throw new ConfigError(`--batch ${batch}: there are only ${length} training images; give at most ${length}`);
  }
  const stepsPerEpoch = batchesPerEpoch(length, { batch });
  // Seldom enough to cost little on small data, and at least once per epoch on large data.
  const often = Math.max(50, stepsPerEpoch);
  // A recipe's micro-batch belongs to its own batch size.
  const wanted = options.microBatch ?? (batch === recipe.batch ? recipe.microBatch : undefined);
  const microBatch = ranks === 1 ? wanted : microBatchFor(batch, ranks, wanted ?? batch);
  const strength = options.colour ? recipe.images.colourStrength : 0;
  const warmUp = warmUpOf(options, recipe, batch);
  const { height, width, channels, classes, name } = dataset;
  const { meanImage, ...measured } = await measureImages(dataset, {
    colourStrength: typeof strength === 'number' ? strength : strength[0]![1],
  });
  const description = describeModel({ variant, inputSize, classes: classes.length, channels });
  const expected = start?.mean?.length === channels ? start.mean : undefined;
  const config = checkRunConfig({
    model: { variant, inputSize },
    data: {
      ...{ source: sourceForConfig(source), name, classes: [...classes], height, width, channels },
      fingerprint: await fingerprintOf(dataset),
      ...(maxRejected !== undefined && { maxRejected }),
    },
    images: {
      crop: options.randomCrop ? recipe.images.crop : 'centre',
      mirror: recipe.images.mirror && options.mirror,
      ...(options.chunk !== undefined && { chunk: options.chunk }),
      padding: recipe.images.padding,
      scale: recipe.images.scale,
      ...measured,
      // Trained weights expect the mean that they were trained with.
      ...(expected ? { mean: [...expected] } : meanImage !== undefined && { meanImage }),
    },
    recipe: {
      batch,
      ...(microBatch !== undefined && { microBatch }),
      steps: options.steps ?? stepsPerEpoch * (options.epochs ?? recipe.epochs),
      seed: options.seed ?? 0,
      precision: options.precision ?? 'float32',
      learningRate: (options.learningRate ?? recipe.learningRate) * (options.scaleRate ? batch / recipe.batch : 1),
      schedule: scheduleOf(options, recipe.schedule),
      ...(recipe.schedules && { schedules: recipe.schedules }),
      ...(warmUp && { warmUp }),
      ...(typeof strength !== 'number' && { colourStrength: strength }),
      momentum: recipe.momentum,
      weightDecay: recipe.weightDecay,
      ...overridesOf(options, recipe, description),
      ...(startsFrom && { startsFrom: withOtherClasses(startsFrom, start, classes, description) }),
      evaluateEvery: options.evaluateEvery ?? recipe.evaluateEvery ?? often,
      checkpointEvery: options.checkpointEvery ?? recipe.checkpointEvery ?? Math.min(often, mostStepsToLose),
      ...keeping(options, recipe),
    },
  });
  const kernels = { effort: options.tune ?? usualEffort(description, config.recipe), file: options.tunings };
  return {
    config,
    dataset,
    kernels,
    remarks: remarksOf(options, config, recipe, stepsPerEpoch),
    isAtStart: async () => true,
    begin: () => RunDirectory.create(options.run, config),
    release: async () => undefined,
  };
}

/** The given options that have no effect. */
function remarksOf(
  options: TrainOptions,
  { recipe, images }: RunConfig,
  { batch }: RecipeFile,
  stepsPerEpoch: number,
): string[] {
  const isRandom = images.crop === 'random' || images.mirror;
  return [
    ...(options.resume ? [`${options.run}: there is no run to resume yet; a new one is started.`] : []),
    ...(options.dataChanged ? ['--data-changed has no effect: a new run uses the data as they are.'] : []),
    ...(options.freeze !== undefined && !recipe.startsFrom
      ? [`--freeze without --from keeps the random initial weights of ${options.freeze}.`]
      : []),
    ...(options.scaleRate && recipe.batch === batch
      ? [`--scale-rate has no effect: the batch is the recipe's, ${batch}.`]
      : []),
    ...beyondTheEnd(options, recipe, stepsPerEpoch),
    ...(options.chunk !== undefined && !isRandom
      ? ['--chunk has no effect: crops and flips, which a chunk shares, are not random.']
      : []),
  ];
}

/** The given options for epochs that the run does not reach. */
function beyondTheEnd(
  { warmUp, schedule }: TrainOptions,
  { steps, schedule: own }: Recipe,
  stepsPerEpoch: number,
): string[] {
  const epochs = steps / stepsPerEpoch;
  const length = `the run ends after ${Number(epochs.toFixed(2))}`;
  const late = schedule !== undefined && own.kind === 'step' ? own.epochs.filter((epoch) => epoch >= epochs) : [];
  return [
    ...(warmUp !== undefined && warmUp > epochs
      ? [`--warm-up ${warmUp}: the learning rate is never reached, because ${length} epochs.`]
      : []),
    ...(late.length > 0
      ? [`--schedule ${schedule}: at epoch ${late.join(', ')} nothing changes, because ${length} epochs.`]
      : []),
  ];
}

/** The default limit of steps between checkpoints, which is what an interruption may cost. */
const mostStepsToLose = 500;

function keeping({ keep }: TrainOptions, { keepCheckpoints }: RecipeFile): { keepCheckpoints?: number } {
  const kept = keep ?? keepCheckpoints;
  return kept === undefined ? {} : { keepCheckpoints: kept };
}

/** A rate scaled with the batch rises from its value for the recipe's batch, any other from 0. */
function warmUpOf({ warmUp, scaleRate }: TrainOptions, recipe: RecipeFile, batch: number): RecipeFile['warmUp'] {
  if (warmUp === undefined) return recipe.warmUp;
  return { epochs: warmUp, from: scaleRate ? Math.min(1, recipe.batch / batch) : 0 };
}

/** Without the name of a network, it must follow from the file of weights. */
function checkNamesNetwork({ from, model, recipe }: TrainOptions, start: StartingPoint | undefined): void {
  if (!start?.candidates || model !== undefined || recipe !== undefined) return;
  const { candidates } = start;
  throw new ConfigError(
    candidates.length > 0
      ? `--from ${from}: its tensors fit ${candidates.join(', ')}; give one of them as --model, or the directory of their run`
      : `--from ${from}: its tensors do not fit any known network; give the closest one as --model to see what does not fit`,
  );
}

/** The weights that fine-tuning starts from, read before anything takes time. */
function startOf(
  { from }: TrainOptions,
  { startsFrom }: RecipeFile,
  start: StartingPoint | undefined,
  variant: string,
): Recipe['startsFrom'] {
  if (from === undefined || !start) {
    if (!startsFrom) return undefined;
    throw new ConfigError(
      `--from is missing: the recipe starts from the weights of another run; give the run of ${startsFrom.recipe}, or its weights.safetensors`,
    );
  }
  if (start.isPublished && start.variant !== variant) {
    throw new ConfigError(
      `--from ${from}: contains weights of ${start.variant}, not of ${variant}: ${differenceOf(start.variant!, variant)}; ` +
        `give --model ${start.variant}`,
    );
  }
  return { weights: resolve(from), replaces: startsFrom?.replaces ?? [] };
}

/** The last layer is reinitialized if the classes differ, even if there are as many. */
function withOtherClasses(
  startsFrom: NonNullable<Recipe['startsFrom']>,
  start: StartingPoint | undefined,
  classes: readonly string[],
  { layers }: NetworkDescription,
): NonNullable<Recipe['startsFrom']> {
  const last = layers.findLast(({ parameters }) => parameters.length > 0)!.layer.name;
  const areOthers = start?.classes !== undefined && start.classes.join('\n') !== classes.join('\n');
  if (!areOthers || startsFrom.replaces.includes(last)) return startsFrom;
  return { ...startsFrom, replaces: [...startsFrom.replaces, last] };
}

/** Images about an eighth larger than the crop, like the paper's 256 and 224, but never smaller than needed. */
function sizeAround(inputSize: number): number {
  return Math.max(inputSize, inputSize > 200 ? 256 : Math.round((inputSize * 256) / 224));
}
