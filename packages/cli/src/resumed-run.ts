import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { batchesPerEpoch, type Dataset } from '@alex/data';
import { ConfigError } from '@alex/tensor';
import {
  type ChangedRun,
  changeRun,
  type Recipe,
  type RecipeFile,
  type RunConfig,
  RunDirectory,
  tuningsOfRun,
} from '@alex/trainer';
import { changeInWords, rate } from './change-in-words.js';
import { microBatchFor, otherRounding } from './cluster/micro-batch.js';
import { openDataOfRun } from './data.js';
import { checkSameData, dataChange, fingerprintOf } from './data-fingerprint.js';
import { frozenNames } from './frozen-layers.js';
import type { Output } from './output.js';
import { defaultsOf, findRecipe } from './recipes.js';
import { checkRecipe, keptOfRecipe } from './resumed-recipe.js';
import { scheduleOf } from './schedule-option.js';
import type { PlannedTraining, TrainOptions } from './train-options.js';
import type { Tuning } from './tuning.js';

/**
 * Plans to continue a run. Its length, learning rate, schedule and number of kept checkpoints can be changed by
 * options; all other options must agree with the run, so that a command can be repeated with `--resume`.
 *
 * @param ranks how many processes make each step
 */
export async function resumedRun(options: TrainOptions, output: Output, ranks = 1): Promise<PlannedTraining> {
  const opened = await RunDirectory.openLocked(options.run, { onWait: output.line });
  try {
    return { ...(await planned(opened, options, output, ranks)), release: () => opened.unlock() };
  } catch (error) {
    await opened.unlock();
    throw error;
  }
}

async function planned(
  opened: RunDirectory,
  options: TrainOptions,
  output: Output,
  ranks: number,
): Promise<Omit<PlannedTraining, 'release'>> {
  await checkUnchanged(options, opened.config, ranks);
  if (options.recipe !== undefined) {
    for (const remark of keptOfRecipe(options.recipe, await findRecipe(options.recipe), options, opened.config)) {
      output.line(remark);
    }
  }
  const { data, recipe } = opened.config;
  const { keep, maxRejected } = options;
  const dataset = await openDataOfRun(opened.config, options.data, { maxRejected, output });
  const fingerprint = await fingerprintOf(dataset);
  const change = dataChange(data.fingerprint, fingerprint);
  checkSameData(options.run, options.data ?? data.source, change, options.dataChanged ?? false);
  if (change !== undefined) {
    output.line(`The data have changed since the run started: ${change}. It continues with the changed data.`);
  } else if (options.dataChanged) {
    output.line(
      data.fingerprint
        ? '--data-changed has no effect: the data have not changed.'
        : '--data-changed has no effect: the run, of an older version, has not recorded its data.',
    );
  }
  const kept = keep !== undefined && keep !== recipe.keepCheckpoints;
  const { microBatch = recipe.batch } = recipe;
  const own = ranks === 1 ? microBatch : microBatchFor(recipe.batch, ranks, options.microBatch ?? microBatch);
  const rounding = otherRounding(await opened.readProvenance(), recipe, ranks, own);
  if (rounding !== undefined) output.line(rounding);
  const run =
    kept || own !== microBatch || change !== undefined || (maxRejected ?? data.maxRejected) !== data.maxRejected
      ? opened.changed(
          { ...(kept && { keepCheckpoints: keep }), ...(own !== microBatch && { microBatch: own }) },
          {
            ...(change !== undefined && { fingerprint }),
            ...(maxRejected !== undefined && { maxRejected }),
          },
        )
      : opened;
  const changed = await changeByHand(run, dataset, options);
  tellChange(changed, options, stepsPerEpoch(run, dataset), output);
  return {
    config: changed.run.config,
    dataset,
    kernels: await kernelsOf(options),
    isAtStart: async () => (await changed.run.checkpoints.steps()).length === 0,
    begin: async () => changed.run,
  };
}

/** Refuses changes that a started run does not allow. */
async function checkUnchanged(
  options: TrainOptions,
  { model, recipe, data, images }: RunConfig,
  ranks: number,
): Promise<void> {
  const { from, scaleRate, learningRate } = options;
  const frozen = frozenPaths(recipe);
  const isFrozen = sameFrozen(options, frozen, await recipeOf(options, model.variant));
  const pairs: [string, unknown, unknown][] = [
    ['--model', options.model, model.variant],
    ['--crop', options.crop, model.inputSize],
    ['--classes', options.classes, data.classes.length],
    ['--size', options.size, data.height],
    ['--batch', options.batch, recipe.batch],
    // Ranks divide the batch, so that it changes with their number.
    ['--micro-batch', ranks === 1 ? options.microBatch : undefined, recipe.microBatch ?? recipe.batch],
    ['--seed', options.seed, recipe.seed],
    ['--precision', options.precision, recipe.precision ?? 'float32'],
    ['--warm-up', options.warmUp, recipe.warmUp?.epochs],
    ['--from', from && resolve(from), recipe.startsFrom?.weights],
    ['--freeze', options.freeze, isFrozen ? options.freeze : frozen.join(',') || undefined],
    ['--evaluate-every', options.evaluateEvery, recipe.evaluateEvery],
    ['--checkpoint-every', options.checkpointEvery, recipe.checkpointEvery],
    ['--no-random-crop', options.randomCrop ? undefined : false, images.crop === 'random'],
    ['--chunk', options.chunk, images.chunk ?? 1],
    ['--no-mirror', options.mirror ? undefined : false, images.mirror],
    ['--no-colour', options.colour ? undefined : false, images.colour !== undefined],
  ];
  if (scaleRate && learningRate === undefined) {
    const { learningRate: usual } = await recipeOf(options, model.variant);
    const withBatch = await scaled(usual, options, { model, recipe });
    if (withBatch !== recipe.learningRate) {
      throw new ConfigError(
        `--scale-rate makes the learning rate ${withBatch}, but the run was started with ${recipe.learningRate}; leave it out, or give the rate as --learning-rate`,
      );
    }
  }
  for (const [option, given, own] of pairs) {
    if (given === undefined || given === own) continue;
    // For a switch, its name is enough.
    const isSwitch = typeof given === 'boolean';
    const started = own === undefined || isSwitch ? 'started without it' : `started with ${own}`;
    const value = isSwitch ? '' : ` ${given}`;
    throw new ConfigError(
      `${option}${value} cannot be changed during a run, which was ${started}; omit it or choose another --run`,
    );
  }
  if (options.recipe !== undefined) await checkRecipe(options.recipe, { model, recipe, images });
}

/** Layers and parameters that a run keeps as they are. */
function frozenPaths({ overrides = {} }: Recipe): string[] {
  return Object.entries(overrides).flatMap(([path, { learningRateScale }]) => (learningRateScale === 0 ? [path] : []));
}

/** Whether `--freeze` names everything that a run was started with, except what its recipe freezes itself. */
function sameFrozen(options: TrainOptions, frozen: readonly string[], { overrides = {} }: RecipeFile): boolean {
  const names = frozenNames(options);
  const covers = (name: string, path: string) => path === name || path.startsWith(`${name}.`);
  return (
    names.every((name) => frozen.some((path) => covers(name, path))) &&
    frozen.every((path) => names.some((name) => covers(name, path)) || overrides[path]?.learningRateScale === 0)
  );
}

const stepsPerEpoch = ({ config }: RunDirectory, { train }: Dataset) =>
  batchesPerEpoch(train.length, { batch: config.recipe.batch });

async function changeByHand(run: RunDirectory, dataset: Dataset, options: TrainOptions): Promise<ChangedRun> {
  const { recipe } = run.config;
  const { learningRate, epochs, steps } = options;
  const inForce = recipe.changes?.findLast(({ schedule }) => schedule)?.schedule ?? recipe.schedule;
  return changeRun(run, dataset.train.length, {
    learningRate: learningRate && (await scaled(learningRate, options, run.config)),
    schedule: scheduleOf(options, inForce),
    steps: epochs === undefined ? steps : epochs * stepsPerEpoch(run, dataset),
  });
}

/** Prints what changes from now on, and which given options change nothing. */
function tellChange(
  { change, jump }: ChangedRun,
  { learningRate }: TrainOptions,
  stepsPerEpoch: number,
  output: Output,
): void {
  if (learningRate !== undefined && !change?.learningRate) {
    output.line(
      `--learning-rate ${learningRate} has no effect: the run was already given this rate, and its schedule is based on it.`,
    );
  }
  if (!change) return;
  output.line(`Changed by hand ${changeInWords(change)}.`);
  const { steps } = change;
  if (!jump || !steps) return;
  output.line(
    `The schedule covers the whole run: with ${steps.after} steps, the learning rate rises from ${rate(jump.before)} to ${rate(jump.after)} here. ` +
      `To keep the schedule's old length, and its last rate from then on, add --schedule-epochs ${Number((steps.before / stepsPerEpoch).toFixed(3))}.`,
  );
}

/** A rate scaled with the batch, as when the run was started. */
async function scaled(
  learningRate: number,
  options: TrainOptions,
  { model, recipe }: Pick<RunConfig, 'model' | 'recipe'>,
): Promise<number> {
  if (!options.scaleRate) return learningRate;
  return learningRate * (recipe.batch / (await recipeOf(options, model.variant)).batch);
}

function recipeOf({ recipe }: TrainOptions, variant: string) {
  return recipe === undefined ? defaultsOf(variant) : findRecipe(recipe);
}

/** By default, a run continues with the kernels that it started with: others sum in another order. */
async function kernelsOf({ run, tune, tunings }: TrainOptions): Promise<Omit<Tuning, 'say'>> {
  if (tune !== undefined || tunings !== undefined) return { effort: tune ?? 'off', file: tunings };
  const own = tuningsOfRun(run);
  const tuned = await access(own).then(
    () => true,
    () => false,
  );
  return tuned ? { effort: 'cached', file: own, otherAdapter: true } : { effort: 'off' };
}
