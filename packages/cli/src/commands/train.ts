import { RunDirectory } from '@alex/trainer';
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
import { refuseExisting, runTraining, sayHowToResume, trainingResult } from './training.js';

/**
 * Trains a new run or, with `resume`, continues one; returns the exit code.
 *
 * @param words the command as given, which is recorded with the run
 */
export async function trainCommand(options: TrainOptions, words: readonly string[], output: Output): Promise<number> {
  if (!options.resume) await refuseExisting(options.run);
  const exists = await RunDirectory.exists(options.run);
  await checkPlace('--trace', options.trace);
  const planned = exists ? await resumedRun(options, output) : await newRun(options, output);
  try {
    return await trainPlanned(planned, options, words, output);
  } finally {
    await planned.release();
  }
}

async function trainPlanned(
  { config, dataset, kernels, remarks = [], isAtStart, begin }: PlannedTraining,
  options: TrainOptions,
  words: readonly string[],
  output: Output,
): Promise<number> {
  for (const remark of remarks) output.line(remark);
  sayRemarks([dataset], output);
  const { startsFrom } = config.recipe;
  const given = startsFrom && (await isAtStart()) ? await givenWeights(config, startsFrom, output) : undefined;
  const tuning = { ...kernels, say: output.line };
  const dashboard = options.dashboard === true ? localAddress : options.dashboard;
  const trained = await runTraining({ ...options, words, config, dataset, tuning, output, dashboard, given }, begin);
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
