import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { batchesPerEpoch, type Dataset } from '@alex/data';
import { ConfigError } from '@alex/tensor';
import { type ChangedRun, changeRun, type Recipe, type RunConfig, RunDirectory } from '@alex/trainer';
import { changeInWords, rate } from './change-in-words.js';
import { openDataOfRun } from './data.js';
import { checkSameData, dataChange, fingerprintOf } from './data-fingerprint.js';
import { frozenNames } from './frozen-layers.js';
import type { Output } from './output.js';
import { defaultsOf, findRecipe } from './recipes.js';
import { scheduleOf } from './schedule-option.js';
import type { PlannedTraining, TrainOptions } from './train-options.js';
import { type Tuning, tuningsOfRun } from './tuning.js';

/**
 * Plans to continue a run. Its length, learning rate, schedule and number of kept checkpoints can be changed by
 * options; all other options must agree with the run, so that a command can be repeated with `--resume`.
 */
export async function resumedRun(options: TrainOptions, output: Output): Promise<PlannedTraining> {
  const opened = await RunDirectory.open(options.run);
  await checkUnchanged(options, opened.config);
  const dataset = await openDataOfRun(opened.config, options.data);
  const fingerprint = fingerprintOf(dataset);
  const { data, recipe } = opened.config;
  const change = dataChange(data.fingerprint, fingerprint);
  checkSameData(options.run, options.data ?? data.source, change, options.dataChanged ?? false);
  if (change !== undefined)
    output.line(`The data have changed since the run started: ${change}. It continues with the changed data.`);
  const { keep } = options;
  const kept = keep !== undefined && keep !== recipe.keepCheckpoints;
  const run =
    kept || change !== undefined
      ? opened.changed(kept ? { keepCheckpoints: keep } : {}, change === undefined ? {} : { fingerprint })
      : opened;
  const changed = await changeByHand(run, dataset, options);
  tellChange(changed, options, batchesPerEpoch(dataset.train.length, run.config.recipe), output);
  return {
    config: changed.run.config,
    dataset,
    kernels: await kernelsOf(options),
    begin: async () => changed.run,
  };
}

/** Refuses changes that a started run does not allow. */
async function checkUnchanged(options: TrainOptions, { model, recipe, data, images }: RunConfig): Promise<void> {
  const { from, scaleRate, learningRate } = options;
  const frozen = Object.entries(recipe.overrides ?? {}).flatMap(([name, { learningRateScale }]) =>
    learningRateScale === 0 ? [name] : [],
  );
  const isFrozen = (name: string) => frozen.some((path) => path === name || path.startsWith(`${name}.`));
  const pairs: [string, unknown, unknown][] = [
    ['--model', options.model, model.variant],
    ['--crop', options.crop, model.inputSize],
    ['--classes', options.classes, data.classes.length],
    ['--size', options.size, data.height],
    ['--batch', options.batch, recipe.batch],
    ['--micro-batch', options.microBatch, recipe.microBatch ?? recipe.batch],
    ['--seed', options.seed, recipe.seed],
    ['--precision', options.precision, recipe.precision ?? 'float32'],
    ['--warm-up', options.warmUp, recipe.warmUp?.epochs],
    ['--from', from && resolve(from), recipe.startsFrom?.weights],
    ['--freeze', options.freeze, frozenNames(options).every(isFrozen) ? options.freeze : frozen.join(',') || undefined],
    ['--evaluate-every', options.evaluateEvery, recipe.evaluateEvery],
    ['--checkpoint-every', options.checkpointEvery, recipe.checkpointEvery],
    ['--no-random-crop', options.randomCrop ? undefined : false, images.crop === 'random'],
    ['--chunk', options.chunk, images.chunk ?? 1],
    ['--no-mirror', options.mirror ? undefined : false, images.mirror],
    ['--no-colour', options.colour ? undefined : false, images.colour !== undefined],
  ];
  if (scaleRate && learningRate === undefined) {
    const { learningRate: usual } = await recipeOf(options, model.variant);
    pairs.push(['--scale-rate', await scaled(usual, options, { model, recipe }), recipe.learningRate]);
  }
  for (const [option, given, own] of pairs) {
    if (given === undefined || given === own) continue;
    const begun = own === undefined ? 'started without it' : `started with ${own}`;
    // For a switch, the name is enough.
    const value = typeof given === 'boolean' ? '' : ` ${given}`;
    throw new ConfigError(
      `${option}${value} cannot be changed during a run, which was ${begun}; leave it out or choose another --run`,
    );
  }
  if (options.recipe !== undefined) await checkRecipe(options.recipe, { model, recipe, images });
}

/** The parameter overrides of a run's recipe without those of `--freeze`, which `--recipe` does not know. */
function withoutFrozen(
  own: Recipe['overrides'] = {},
  given: Recipe['overrides'] = {},
): NonNullable<Recipe['overrides']> {
  const entries = Object.entries(own).flatMap(([pattern, override]) => {
    if (override.learningRateScale !== 0) return [[pattern, override] as const];
    return given[pattern] ? [[pattern, given[pattern]] as const] : [];
  });
  return Object.fromEntries(entries);
}

/** The parts of a recipe that no option can change must be those that the run was started with. */
async function checkRecipe(name: string, { model, recipe, images }: Pick<RunConfig, 'model' | 'recipe' | 'images'>) {
  const given = await findRecipe(name);
  const pairs: [string, unknown, unknown][] = [
    ['model.variant', given.model.variant, model.variant],
    ['momentum', given.momentum, recipe.momentum],
    ['weightDecay', given.weightDecay, recipe.weightDecay],
    ['overrides', given.overrides ?? {}, withoutFrozen(recipe.overrides, given.overrides)],
    ['schedules', given.schedules, recipe.schedules],
    ['images.padding', given.images.padding, images.padding],
    ['images.scale', given.images.scale, images.scale],
  ];
  for (const [field, there, own] of pairs) {
    if (JSON.stringify(there) === JSON.stringify(own)) continue;
    throw new ConfigError(
      `--recipe ${name}: its ${field} is ${JSON.stringify(there) ?? 'not given'}, but the run was started with ` +
        `${JSON.stringify(own) ?? 'none'}; leave it out or choose another --run`,
    );
  }
}

async function changeByHand(run: RunDirectory, dataset: Dataset, options: TrainOptions): Promise<ChangedRun> {
  const { recipe } = run.config;
  const { learningRate, epochs, steps } = options;
  const inForce = recipe.changes?.findLast(({ schedule }) => schedule)?.schedule ?? recipe.schedule;
  return changeRun(run, dataset.train.length, {
    learningRate: learningRate && (await scaled(learningRate, options, run.config)),
    schedule: scheduleOf(options, inForce),
    steps: epochs === undefined ? steps : epochs * batchesPerEpoch(dataset.train.length, recipe),
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
