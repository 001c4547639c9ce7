import { ConfigError } from '@alex/tensor';
import type { RunConfig } from '@alex/trainer';
import { openDataOfRun } from '../data.js';
import { dataChange, fingerprintOf } from '../data-fingerprint.js';
import type { Output } from '../output.js';
import { findRecipe } from '../recipes.js';
import type { PlannedTraining, TrainOptions } from '../train-options.js';
import { commandFacts, shortHash } from './command-facts.js';
import type { Team } from './team.js';

/** What a rank knows of a training run before it starts. */
export interface TeamPlan {
  readonly config: RunConfig;
  readonly dataset: PlannedTraining['dataset'];
  /** On rank 0. */
  readonly first: PlannedTraining | undefined;
}

/**
 * Plans a training run that several ranks make together: rank 0 plans it, the others follow its configuration and open the same data,
 * each by itself.
 *
 * @throws TeamFailure if rank 0 cannot plan it, or ranks differ in the command, the version, the recipe, or the data
 */
export async function planTogether(
  team: Team,
  options: TrainOptions,
  output: Output,
  plan: () => Promise<PlannedTraining>,
): Promise<TeamPlan> {
  await team.checkAlike(await team.together(() => factsOf(options)));
  const first = await team.onFirst(plan);
  try {
    const said = await team.fromFirst(first && Buffer.from(JSON.stringify(first.config)));
    const config = first?.config ?? (JSON.parse(Buffer.from(said).toString()) as RunConfig);
    const dataset = await team.together(async () => first?.dataset ?? sameData(config, options, output));
    return { config, dataset, first };
  } catch (error) {
    await first?.release();
    throw error;
  }
}

/** What must be the same on all ranks, with its names. Places may differ: machines have their own folders and adapters. */
async function factsOf(options: TrainOptions): Promise<Record<string, string>> {
  const { run: _, data: __, adapters: ___, tunings: ____, trace, dashboard: _____, recipe, ...rest } = options;
  return {
    // All ranks trace, into a file of rank 0.
    ...commandFacts({ ...rest, traces: trace !== undefined }),
    'the recipe (as a hash)': recipe === undefined ? 'none' : shortHash(await findRecipe(recipe)),
  };
}

/** The data of a run as this machine has them. */
async function sameData(config: RunConfig, options: TrainOptions, output: Output): Promise<TeamPlan['dataset']> {
  const { maxRejected = config.data.maxRejected } = options;
  const dataset = await openDataOfRun(config, options.data, { maxRejected, output });
  const change = dataChange(config.data.fingerprint, await fingerprintOf(dataset));
  if (change === undefined) return dataset;
  throw new ConfigError(
    `${options.data ?? config.data.source}: these are other data than on rank 0: ${change}; give all ranks the same`,
  );
}
