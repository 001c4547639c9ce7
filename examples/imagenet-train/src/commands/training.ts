import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '@alex/data';
import { ConfigError, exportTunings, type HostTensor, type MemoryPlan } from '@alex/tensor';
import {
  type RunConfig,
  RunDirectory,
  readSafetensors,
  startingWeights,
  type TrainingResult,
  train,
} from '@alex/trainer';
import { Interruption } from '../interrupt.js';
import type { Output } from '../output.js';
import { TrainingProgress } from '../progress.js';
import { openSession, type Session } from '../session.js';
import type { Tuning } from '../tuning.js';

/** A training that ended, by itself or by Ctrl-C. */
export interface Trained {
  readonly run: RunDirectory;
  readonly result: TrainingResult;
  /** Where it did not finish: how the process should exit. */
  readonly interruptedCode?: number;
}

/**
 * Trains a run on the data and shows how it gets on. The run directory is made as late as possible, so that whatever is
 * wrong is found before.
 *
 * @param begin makes or opens the run directory
 * @param afterwards uses the trained network before the adapter is given back
 */
export async function runTraining(
  {
    config,
    dataset,
    adapters,
    tuning,
    output,
    memory,
    onDivergence,
  }: {
    readonly config: RunConfig;
    readonly dataset: Dataset;
    readonly adapters: string | undefined;
    readonly tuning: Tuning;
    readonly output: Output;
    readonly memory?: number | undefined;
    readonly onDivergence?: 'stop' | 'rollback' | undefined;
  },
  begin: () => Promise<RunDirectory>,
  afterwards?: (session: Session) => Promise<void>,
): Promise<Trained> {
  let session = await openSession(config, { adapters, tuning, memory, training: true });
  try {
    const { description } = session.network;
    output.line(
      `Training ${description.name} (${description.parameterCount.toLocaleString('en-US')} parameters) on ` +
        `${dataset.train.length.toLocaleString('en-US')} pictures of ${dataset.classes.length} classes, ` +
        `${config.recipe.steps} steps of ${config.recipe.batch}, on ${session.gpu.description.name}.`,
    );
    output.line(memoryLine(session.network.memory()));
    const run = await begin();
    if (session.tunings.size > 0) await exportTunings(tuningsOfRun(run.path), session.gpu, session.tunings);
    const progress = new TrainingProgress(output);
    const interruption = new Interruption(() =>
      progress.say('Finishing this step, then saving. Ctrl-C again quits at once.'),
    );
    try {
      const result = await train({
        run,
        network: session.network,
        augmenter: session.augmenter,
        dataset,
        ...(await startOf(run, session)),
        ...(onDivergence && { onDivergence }),
        reopen: async () => {
          const kernels = session.tunings.size > 0 ? tuningsOfRun(run.path) : undefined;
          session.dispose();
          // The same kernels as before: others sum in another order.
          const same: Tuning = { effort: 'off', file: kernels, say: () => undefined };
          session = await openSession(config, { adapters, tuning: same, memory, training: true });
          return session;
        },
        signal: interruption.signal,
        onEvent: (event) => progress.show(event),
      });
      progress.stop();
      if (!result.finished) return { run, result, interruptedCode: interruption.code };
      await afterwards?.(session);
      return { run, result };
    } finally {
      progress.stop();
      interruption.dispose();
    }
  } finally {
    session.dispose();
  }
}

/** The parameters that a new run starts from, where it does not draw all of them. */
async function startOf({ isNew, config }: RunDirectory, { network }: Session) {
  const { startsFrom } = config.recipe;
  if (!isNew || !startsFrom) return {};
  const given = await weightsAt(startsFrom.weights);
  return { initialParameters: startingWeights(given, await network.parameters(), startsFrom.replaces) };
}

/** The weights of a run that has finished, or of a file. */
export async function weightsAt(path: string): Promise<Record<string, HostTensor>> {
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  return isFile ? (await readSafetensors(path)).tensors : (await RunDirectory.open(path)).readWeights();
}

/** What a network takes on its adapter, and how near its plan is to what must be there at once. */
function memoryLine({ totalBytes, parameterBytes, stateBytes, activityBytes, leastActivityBytes }: MemoryPlan): string {
  const [total, parameters, state, activities, least] = [
    totalBytes,
    parameterBytes,
    stateBytes,
    activityBytes,
    leastActivityBytes,
  ].map((bytes) => `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: bytes < 1e8 ? 1 : 0 })} MB`);
  return `Memory: ${total}, of it parameters ${parameters}, momentum ${state}, activities ${activities} (at least ${least}).`;
}

/** The kernels that a run's network is made of: the same ones must be used for the same bits when it goes on. */
export function tuningsOfRun(path: string): string {
  return join(path, 'tunings.json');
}

/** Before anything takes time: throws a `ConfigError` where there is a run already, or anything else. */
export async function refuseExisting(path: string): Promise<void> {
  if (await RunDirectory.exists(path)) {
    throw new ConfigError(
      `${path}: holds a run already; go on with it by \`${alexnetCommand} train --run ${path} --resume\`, or choose another --run`,
    );
  }
}

/** What is said of a run that was stopped. */
export function sayHowToGoOn({ run, result }: Trained, output: Output): void {
  output.line(`Stopped after step ${result.step} of ${run.config.recipe.steps}; everything is saved in ${run.path}.`);
  output.line(`Go on with:  ${alexnetCommand} train --run ${run.path} --resume`);
}

/** What a training gives with `--json`. */
export function trainingResult({ run, result }: Trained) {
  const { step, finished, validation } = result;
  return { run: run.path, finished, step, ...(validation && { validation }) };
}

/** How the command is called from the repository. */
export const alexnetCommand = 'npm run alexnet --';
