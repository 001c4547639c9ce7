import { deserialize, serialize } from 'node:v8';
import type { Dataset } from '@alex/data';
import type { Strategy } from '@alex/multi-gpu';
import { AdapterError, ConfigError, type HostTensor } from '@alex/tensor';
import { exportTunings } from '@alex/tensor/kernels';
import type { MemoryPlan, Network } from '@alex/tensor/network';
import {
  colourMetrics,
  colourWeight,
  type RunConfig,
  RunDirectory,
  SharedRun,
  startingWeights,
  type TrainingEvent,
  type TrainingResult,
  train,
  tuningsOfRun,
} from '@alex/trainer';
import { measuredLine, type TeamRanks } from '../cluster/team-ranks.js';
import { openTeamSession } from '../cluster/team-session.js';
import { traceTogether } from '../cluster/trace-together.js';
import type { Dashboard } from '../dashboard/dashboard.js';
import type { DashboardAddress } from '../dashboard/dashboard-address.js';
import { Interruption } from '../interrupt.js';
import { alexnetCommand } from '../invocation.js';
import type { Output } from '../output.js';
import { TrainingProgress } from '../progress.js';
import { RunRecords } from '../run-records.js';
import { openSession, type Session } from '../session.js';
import { traceStep } from '../trace.js';
import type { Tuning } from '../tuning.js';

/** A training run that has ended, by itself or by Ctrl-C. */
export interface Trained {
  readonly path: string;
  readonly config: RunConfig;
  readonly result: TrainingResult;
  /** The exit code, if it did not finish. */
  readonly interruptedCode?: number;
}

export interface TrainingPlan {
  readonly path: string;
  readonly config: RunConfig;
  /** The command as it was given. */
  readonly words: readonly string[];
  readonly dataset: Dataset;
  readonly adapters?: string | undefined;
  readonly strategy?: Strategy | 'auto' | undefined;
  /** File for a trace of each adapter's work in a step. */
  readonly trace?: string | undefined;
  readonly tuning: Tuning;
  readonly output: Output;
  /** The address of the dashboard, if there is one. */
  readonly dashboard?: DashboardAddress | undefined;
  readonly memory?: number | undefined;
  readonly onDivergence?: 'stop' | 'rollback' | undefined;
  /** What a run without a checkpoint starts from, unless it draws all of it. */
  readonly given?: Readonly<Record<string, HostTensor>> | undefined;
  /** The processes that train the run together. */
  readonly ranks?: TeamRanks | undefined;
  /** Creates or opens the run directory; with `ranks`, it is called on rank 0 only. */
  begin(): Promise<RunDirectory>;
  /** Uses the trained network before the adapter is released. */
  afterwards?(session: Session): Promise<void>;
}

/**
 * Trains a run on the data and shows its progress. The run directory is created as late as possible, so that all errors
 * are found before.
 */
export async function runTraining(plan: TrainingPlan): Promise<Trained> {
  const { path, config, words, dataset, adapters, strategy, trace, tuning, output, dashboard, memory, ranks } = plan;
  const sessionOptions = { adapters, strategy, memory };
  let session = ranks
    ? await openTeamSession(ranks.team, config, { ...sessionOptions, tuning, ranks })
    : await openSession(config, { ...sessionOptions, tuning, training: true });
  try {
    const { description } = session.network;
    output.line(
      `Training ${description.name} (${description.parameterCount.toLocaleString('en-US')} parameters) on ` +
        `${dataset.train.length.toLocaleString('en-US')} images of ${dataset.classes.length} classes, ` +
        `${config.recipe.steps} steps of ${config.recipe.batch}, on ${namesOf(session)}.`,
    );
    output.line(memoryLine(session.network.memory()));
    if (trace !== undefined) {
      const within = ranks
        ? await traceTogether(ranks.team, session, dataset, config, trace)
        : await traceStep(session, dataset, config, trace);
      const clocks = within === undefined ? '' : ` The clocks of the ranks agree within ${within.toFixed(2)} ms.`;
      output.line(`The trace of a step is in ${trace}; open it in https://ui.perfetto.dev.${clocks}`);
    }
    const predicted = await ranks?.predict(session, config, output);
    const directory = await (ranks ? ranks.team.onFirst(plan.begin) : plan.begin());
    ranks?.log?.open(path);
    const records =
      directory &&
      new RunRecords(directory, session, { words, ranks: predicted && ranks?.origin(predicted), say: output.line });
    if (directory) await keepTunings(directory, session);
    const page =
      directory && dashboard
        ? await openDashboard({ run: directory, session: () => session, dataset, address: dashboard, output })
        : undefined;
    const progress = new TrainingProgress(output);
    const show = (event: TrainingEvent) => {
      records?.show(event);
      progress.show(event);
      page?.show(event);
      ranks?.speed.show(event);
    };
    let finished = false;
    const interruption = new Interruption(() =>
      progress.say('Finishing this step, then saving. Ctrl-C again quits immediately.'),
    );
    try {
      const initialParameters = await startOf(plan, directory, session);
      const result = await train({
        run: ranks ? new SharedRun(path, config, ranks, directory) : directory!,
        network: session.network,
        augmenter: session.augmenter,
        dataset,
        ...(initialParameters && { initialParameters }),
        ...(plan.onDivergence && { onDivergence: plan.onDivergence }),
        ...(ranks && { ranks }),
        // A rank that lost its adapter ends the others, which cannot wait for it.
        ...(!ranks && {
          reopen: async () => {
            session.dispose();
            const same = { ...sameKernels(path, session), say: () => undefined };
            const onMissing = ({ message }: AdapterError) => progress.say(`${message} The others continue.`);
            session = await openSession(config, { ...sessionOptions, tuning: same, training: true, onMissing });
            return session;
          },
        }),
        signal: interruption.signal,
        scalars: ({ split }) => (split === 'val' ? coloursOf(session.network) : undefined),
        onEvent: show,
        betweenSteps: () => page?.look(),
      });
      finished = result.finished;
      const rankSeconds = await ranks?.secondsOfStep();
      records?.end(finished ? 'finished' : 'stopped', rankSeconds && { rankSeconds });
      progress.stop();
      if (rankSeconds && predicted) output.line(measuredLine(rankSeconds, predicted));
      if (!result.finished) return { path, config, result, interruptedCode: interruption.code };
      await plan.afterwards?.(session);
      return { path, config, result };
    } catch (error) {
      records?.end('failed', { reason: (error as Error).message });
      if (error instanceof AdapterError && (await directory?.latestCheckpoint())) {
        output.line(`Resume from the last checkpoint:  ${resumeCommand(path, '--adapters', 'ANOTHER')}`);
      }
      throw error;
    } finally {
      progress.stop();
      interruption.dispose();
      // Not worth losing a training run: its errors are only reported.
      await page?.close(finished).catch((error: Error) => output.line(`The dashboard: ${error.message}`));
      await records?.close();
    }
  } finally {
    session.dispose();
  }
}

/** Keeps the kernels of a run with it. A file of tunings is for one adapter; on several adapters, a run uses this user's cache. */
async function keepTunings({ path }: RunDirectory, { tunings, gpus }: Session): Promise<void> {
  const [only, ...others] = tunings;
  if (others.length === 0 && only!.size > 0) await exportTunings(tuningsOfRun(path), gpus[0]!, only!);
}

/** How colourful the first layer's filters are by now, column by column, where they see colours. */
async function coloursOf(network: Network): Promise<Record<string, number> | undefined> {
  const { description } = network;
  const path = colourWeight(description);
  if (path === undefined) return undefined;
  return colourMetrics((await network.parameters([path]))[path]!, description.columns);
}

/** Serves the page and prints its address; returns undefined if it cannot be served. */
async function openDashboard({
  run,
  session,
  dataset,
  address,
  output,
}: {
  readonly run: RunDirectory;
  /** The current session: a new one after an adapter was lost. */
  readonly session: () => Session;
  readonly dataset: Dataset;
  readonly address: DashboardAddress;
  readonly output: Output;
}): Promise<Dashboard | undefined> {
  // Imported only now: the drawing code takes longer to load than everything else together.
  const { Dashboard } = await import('../dashboard/dashboard.js');
  const { model, data, recipe } = run.config;
  try {
    const page = await Dashboard.open({
      run,
      session,
      dataset,
      address,
      title: `${model.variant} on ${data.name}`,
      subtitle: `${data.classes.length} classes, ${recipe.steps.toLocaleString('en-US')} steps of ${recipe.batch} images, on ${namesOf(session())}`,
      say: output.line,
    });
    output.line(`Dashboard: ${page.url}`);
    return page;
  } catch (error) {
    output.line(`The dashboard: ${(error as Error).message}`);
    return undefined;
  }
}

/**
 * The parameters that a run without a checkpoint starts from: those that it was given, and the others as they are
 * drawn. Only rank 0 needs the given ones.
 */
async function startOf(
  { config, given, ranks }: TrainingPlan,
  directory: RunDirectory | undefined,
  { network }: Session,
): Promise<Readonly<Record<string, HostTensor>> | undefined> {
  const start = async () => {
    try {
      return given && (await startingWeights(given, network, config.recipe.startsFrom?.replaces ?? []));
    } catch (error) {
      if (directory?.isNew) await directory.remove();
      throw error;
    }
  };
  if (!ranks) return start();
  const { team } = ranks;
  const bytes = await team.fromFirst(serialize(await team.onFirst(start)));
  return deserialize(bytes) as Readonly<Record<string, HostTensor>> | undefined;
}

/** The kernels of a session's network: others sum in another order. */
function sameKernels(path: string, { tunings }: Session): Omit<Tuning, 'say'> {
  if (tunings.every(({ size }) => size === 0)) return { effort: 'off', file: undefined };
  return tunings.length === 1 ? { effort: 'off', file: tuningsOfRun(path) } : { effort: 'cached', file: undefined };
}

/** The memory that a network takes on its adapter, and how close its plan is to the least possible. */
function memoryLine({
  totalBytes,
  parameterBytes,
  stateBytes,
  activationBytes,
  leastActivationBytes,
}: MemoryPlan): string {
  const [total, parameters, state, activations, least] = [
    totalBytes,
    parameterBytes,
    stateBytes,
    activationBytes,
    leastActivationBytes,
  ].map((bytes) => `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: bytes < 1e8 ? 1 : 0 })} MB`);
  return `Memory: ${total}, including parameters ${parameters}, momentum ${state}, activations ${activations} (at least ${least}).`;
}

/**
 * Called before anything takes time: throws a `ConfigError` if the directory has a run or anything else, or a run cannot be
 * created there.
 */
export async function checkNewRun(path: string): Promise<void> {
  if (await RunDirectory.exists(path)) {
    throw new ConfigError(
      `${path}: already contains a run; resume it with \`${resumeCommand(path)}\`, or choose another --run`,
    );
  }
  await RunDirectory.tryPlace(path);
}

/** Prints how to resume a run that was stopped. */
export function sayHowToResume({ path, config, result }: Trained, output: Output): void {
  output.line(`Stopped after step ${result.step} of ${config.recipe.steps}; everything is saved in ${path}.`);
  output.line(`Resume with:  ${resumeCommand(path)}`);
}

function resumeCommand(path: string, ...more: readonly string[]): string {
  return alexnetCommand(['train', '--run', path, '--resume', ...more]);
}

/** The result of training for `--json`. */
export function trainingResult({ path, result }: Trained) {
  const { step, finished, validation } = result;
  return { run: path, finished, step, ...(validation && { validation }) };
}

function namesOf({ gpus }: Session): string {
  return gpus.map(({ description }) => description.name).join(' and ');
}
