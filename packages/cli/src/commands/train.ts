import { RunDirectory } from '@alex/trainer';
import { planTogether } from '../cluster/plan-together.js';
import type { Team } from '../cluster/team.js';
import { TeamRanks } from '../cluster/team-ranks.js';
import { type RankLog, withTeam } from '../cluster/with-team.js';
import { localAddress } from '../dashboard/dashboard-address.js';
import { sayRemarks } from '../data.js';
import { exitCode } from '../failure.js';
import { alexnetCommand } from '../invocation.js';
import { newRun } from '../new-run.js';
import { type Output, percent } from '../output.js';
import { resumedRun } from '../resumed-run.js';
import { givenWeights } from '../starting-point.js';
import type { PlannedTraining, TrainOptions } from '../train-options.js';
import { checkPlace } from '../write-result.js';
import { checkNewRun, runTraining, sayHowToResume, type TrainingPlan, trainingResult } from './training.js';

/**
 * Trains a new run or, with `resume`, continues one; returns the exit code.
 *
 * @param words the command as given, which is recorded with the run
 */
export function trainCommand(options: TrainOptions, words: readonly string[], output: Output): Promise<number> {
  return withTeam(options, output, async (own, team, log) => {
    if (team) return trainTogether(team, log, options, words, own);
    const planned = await planOf(options, own);
    try {
      const plan = await trainingPlan(planned, options, words, own);
      return await trainPlanned({ ...plan, begin: planned.begin }, options, own);
    } finally {
      await planned.release();
    }
  });
}

/** As one of several processes: rank 0 has the run, the others what they need of it. */
async function trainTogether(
  team: Team,
  log: RankLog | undefined,
  options: TrainOptions,
  words: readonly string[],
  output: Output,
): Promise<number> {
  const { config, dataset, first } = await planTogether(team, options, output, () =>
    planOf(options, output, team.cluster.size),
  );
  try {
    const plan = await team.onFirst(() => trainingPlan(first!, options, words, output));
    return await trainPlanned(
      {
        ...(plan ?? { ...options, path: options.run, words, tuning: { effort: 'off', say: output.line }, output }),
        config,
        dataset,
        ranks: new TeamRanks(team, log, options.clusterPrecision),
        dashboard: plan?.dashboard,
        begin: () => first!.begin(),
      },
      options,
      output,
    );
  } finally {
    await first?.release();
  }
}

async function planOf(options: TrainOptions, output: Output, ranks = 1): Promise<PlannedTraining> {
  const exists = options.resume && (await RunDirectory.exists(options.run));
  if (!exists) await checkNewRun(options.run);
  await checkPlace('--trace', options.trace);
  return exists ? resumedRun(options, output, ranks) : newRun(options, output, ranks);
}

/** Prints what there is to say before a run starts, and reads the weights that it starts from. */
async function trainingPlan(
  { config, dataset, kernels, remarks = [], isAtStart }: PlannedTraining,
  options: TrainOptions,
  words: readonly string[],
  output: Output,
): Promise<Omit<TrainingPlan, 'begin'>> {
  for (const remark of remarks) output.line(remark);
  sayRemarks([dataset], output);
  const { startsFrom } = config.recipe;
  const given = startsFrom && (await isAtStart()) ? await givenWeights(config, startsFrom, output) : undefined;
  const tuning = { ...kernels, say: output.line };
  const dashboard = options.dashboard === true ? localAddress : options.dashboard;
  return { ...options, path: options.run, words, config, dataset, tuning, output, dashboard, given };
}

async function trainPlanned(plan: TrainingPlan, options: TrainOptions, output: Output): Promise<number> {
  const trained = await runTraining(plan);
  output.result(trainingResult(trained));
  if (trained.interruptedCode !== undefined) {
    sayHowToResume(trained, output);
    return trained.interruptedCode;
  }
  const { validation } = trained.result;
  if (validation) {
    output.line(
      `Validation: top-1 error ${percent(validation.top1Error)}, top-5 error ${percent(validation.top5Error)}.`,
    );
  }
  output.line(`The run is in ${options.run}. Try:`);
  for (const words of [['evaluate', '--views', '10'], ['report'], ['classify', 'IMAGE']]) {
    output.line(`  ${alexnetCommand([...words, '--run', options.run])}`);
  }
  return exitCode.success;
}
