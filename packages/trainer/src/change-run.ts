import { batchesPerEpoch } from '@alex/data';
import { ConfigError } from '@alex/tensor';
import { checkNotNegative, checkOptions, checkWholeNumber } from '@alex/tensor/kernels';
import { checkSchedule } from './config.js';
import { errorsOf, Rates } from './rates.js';
import type { Recipe, RecipeChange } from './recipe.js';
import type { RunDirectory } from './run-directory.js';

/** Changes that can be made by hand to a run that has started. */
export interface ByHand {
  /**
   * The general learning rate from the next step on; the schedule lowers it further as it would have lowered the old
   * one.
   */
  readonly learningRate?: number | undefined;
  /** Replaces the run's schedule; the rate does not change until this schedule changes it. */
  readonly schedule?: Recipe['schedule'] | undefined;
  /** Length of the run, in steps. */
  readonly steps?: number | undefined;
}

/** A run with changes. */
export interface ChangedRun {
  /** Saved when its training starts. */
  readonly run: RunDirectory;
  /** What is new; undefined if nothing changed. */
  readonly change: RecipeChange | undefined;
  /**
   * The learning rate before and after, if a different length alone makes it jump, as in a schedule over the whole run.
   */
  readonly jump: { readonly before: number; readonly after: number } | undefined;
}

/**
 * Changes a run by hand, from its newest checkpoint on. The change becomes part of its recipe, so the run can be
 * reproduced from its `config.json`. Giving the run's latest learning rate again (or its initial rate, if it was never
 * changed) has no effect: a command that is repeated to resume a run must not undo what its schedule did.
 *
 * @param images the number of training images
 * @throws ConfigError if a change is unknown or invalid, the run already has more steps than its new length, a rate of 0 would have to be scaled, or some
 * parameters have their own schedules
 */
export async function changeRun(run: RunDirectory, images: number, byHand: ByHand): Promise<ChangedRun> {
  checkOptions('changeRun', byHand, ['learningRate', 'schedule', 'steps']);
  checkWholeNumber('changeRun', 'images', images);
  if (byHand.learningRate !== undefined) checkNotNegative('changeRun', 'learningRate', byHand.learningRate);
  if (byHand.steps !== undefined) checkWholeNumber('changeRun', 'steps', byHand.steps);
  if (byHand.schedule !== undefined) checkSchedule('changeRun: schedule', byHand.schedule);
  const { recipe } = run.config;
  const { changes = [] } = recipe;
  const [step = 0] = await run.checkpoints.steps();
  const validations = (await run.readMetrics()).filter((line) => line.split === 'val' && line.step <= step);
  const progress = {
    epochOf: (steps: number) => steps / batchesPerEpoch(images, { batch: recipe.batch }),
    validationErrors: errorsOf(validations, recipe),
  };
  const rateAt = (changed: Recipe) => new Rates(changed).at(step, progress).learningRate;

  const given = changes.findLast(({ learningRate }) => learningRate)?.learningRate?.after ?? recipe.learningRate;
  const learningRate = byHand.learningRate === given ? undefined : byHand.learningRate;
  const inForce = changes.findLast(({ schedule }) => schedule)?.schedule ?? recipe.schedule;
  const schedule = isSame(byHand.schedule ?? inForce, inForce) ? undefined : byHand.schedule;
  const steps = (byHand.steps ?? recipe.steps) === recipe.steps ? undefined : byHand.steps;
  if (steps !== undefined && steps < step) {
    throw new ConfigError(
      `${run.path}: has already taken ${step} steps, more than its new length of ${steps}; give at least ${step}`,
    );
  }
  if (learningRate === undefined && schedule === undefined && steps === undefined) {
    return { run, change: undefined, jump: undefined };
  }
  if (schedule && recipe.schedules) {
    const own = Object.keys(recipe.schedules).join(', ');
    throw new ConfigError(`schedule: ${own} have schedules of their own; change them in a recipe, for a new run`);
  }

  const change = {
    step,
    ...(schedule && { schedule }),
    ...(steps !== undefined && { steps: { before: recipe.steps, after: steps } }),
    rateFactor: changes.at(-1)?.rateFactor ?? 1,
  };
  const withChange = (one: RecipeChange): Recipe => ({
    ...recipe,
    steps: steps ?? recipe.steps,
    changes: [...changes, one],
  });
  if (learningRate === undefined && schedule === undefined) {
    const [before, after] = [rateAt(recipe), rateAt(withChange(change))];
    return { run: run.changed(withChange(change)), change, jump: after > before ? { before, after } : undefined };
  }
  // After a rollback, a checkpoint has its own factor.
  const rollback = (await run.latestCheckpoint())?.rateFactor ?? 1;
  const before = rollback * rateAt(recipe);
  const after = learningRate ?? before;
  const unscaled = rollback * rateAt(withChange({ ...change, rateFactor: 1 }));
  if (unscaled === 0 || after === 0) {
    throw new ConfigError(
      `the learning rate is 0 at step ${step}, so it cannot be scaled; give a schedule that is not 0 there, and a learning rate`,
    );
  }
  const whole = {
    ...change,
    ...(learningRate !== undefined && { learningRate: { before, after } }),
    rateFactor: after / unscaled,
  };
  return { run: run.changed(withChange(whole)), change: whole, jump: undefined };
}

function isSame(one: Recipe['schedule'], other: Recipe['schedule']): boolean {
  const sorted = (schedule: object) => JSON.stringify(Object.entries(schedule).sort(([a], [b]) => (a < b ? -1 : 1)));
  return sorted(one) === sorted(other);
}
