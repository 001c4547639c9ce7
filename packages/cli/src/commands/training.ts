import type { Dataset } from '@alex/data';
import type { Strategy } from '@alex/multi-gpu';
import { AdapterError, ConfigError, type HostTensor } from '@alex/tensor';
import { exportTunings } from '@alex/tensor/kernels';
import type { MemoryPlan, Network } from '@alex/tensor/network';
import {
  colourMetrics,
  colourWeight,
  EventFile,
  type RunConfig,
  RunDirectory,
  startingWeights,
  type TrainingEvent,
  type TrainingResult,
  train,
  tuningsOfRun,
} from '@alex/trainer';
import type { Dashboard } from '../dashboard/dashboard.js';
import type { DashboardAddress } from '../dashboard/dashboard-address.js';
import { Interruption } from '../interrupt.js';
import { alexnetCommand } from '../invocation.js';
import type { Output } from '../output.js';
import { TrainingProgress } from '../progress.js';
import { RunProvenance } from '../run-provenance.js';
import { openSession, type Session } from '../session.js';
import { traceStep } from '../trace.js';
import type { Tuning } from '../tuning.js';

/** A training run that has ended, by itself or by Ctrl-C. */
export interface Trained {
  readonly run: RunDirectory;
  readonly result: TrainingResult;
  /** The exit code, if it did not finish. */
  readonly interruptedCode?: number;
}

/**
 * Trains a run on the data and shows its progress. The run directory is created as late as possible, so that all errors
 * are found before.
 *
 * @param begin creates or opens the run directory
 * @param afterwards uses the trained network before the adapter is released
 */
export async function runTraining(
  {
    config,
    words,
    dataset,
    adapters,
    strategy,
    trace,
    tuning,
    output,
    dashboard,
    memory,
    onDivergence,
    given,
  }: {
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
  },
  begin: () => Promise<RunDirectory>,
  afterwards?: (session: Session) => Promise<void>,
): Promise<Trained> {
  let session = await openSession(config, { adapters, strategy, tuning, memory, training: true });
  try {
    const { description } = session.network;
    output.line(
      `Training ${description.name} (${description.parameterCount.toLocaleString('en-US')} parameters) on ` +
        `${dataset.train.length.toLocaleString('en-US')} images of ${dataset.classes.length} classes, ` +
        `${config.recipe.steps} steps of ${config.recipe.batch}, on ${namesOf(session)}.`,
    );
    output.line(memoryLine(session.network.memory()));
    if (trace !== undefined) {
      await traceStep(session, dataset, config, trace);
      output.line(`The trace of a step is in ${trace}; open it in https://ui.perfetto.dev.`);
    }
    const run = await begin();
    // A file of tunings is for one adapter; on several adapters, a run uses this user's cache.
    const [tunings, ...others] = session.tunings;
    if (others.length === 0 && tunings!.size > 0) {
      await exportTunings(tuningsOfRun(run.path), session.gpus[0]!, tunings!);
    }
    const progress = new TrainingProgress(output);
    const page =
      dashboard && (await openDashboard({ run, session: () => session, dataset, address: dashboard, output }));
    const provenance = new RunProvenance(run, session, words, output.line);
    let events: EventFile | undefined;
    const show = (event: TrainingEvent) => {
      provenance.show(event);
      progress.show(event);
      page?.show(event);
      if (event.kind === 'start') events = new EventFile(run.path, event.step + 1);
      if (event.kind === 'step' || event.kind === 'validation') events?.add(event.metrics);
    };
    let finished = false;
    const interruption = new Interruption(() =>
      progress.say('Finishing this step, then saving. Ctrl-C again quits immediately.'),
    );
    try {
      const result = await train({
        run,
        network: session.network,
        augmenter: session.augmenter,
        dataset,
        ...(given && (await startOf(run, session, given))),
        ...(onDivergence && { onDivergence }),
        reopen: async () => {
          session.dispose();
          const same = { ...sameKernels(run, session), say: () => undefined };
          const onMissing = ({ message }: AdapterError) => progress.say(`${message} The others continue.`);
          session = await openSession(config, { adapters, strategy, tuning: same, memory, training: true, onMissing });
          return session;
        },
        signal: interruption.signal,
        scalars: ({ split }) => (split === 'val' ? coloursOf(session.network) : undefined),
        onEvent: show,
        betweenSteps: () => page?.look(),
      });
      finished = result.finished;
      provenance.end(finished ? 'finished' : 'stopped');
      progress.stop();
      if (!result.finished) return { run, result, interruptedCode: interruption.code };
      await afterwards?.(session);
      return { run, result };
    } catch (error) {
      provenance.end('failed', (error as Error).message);
      if (error instanceof AdapterError && (await run.latestCheckpoint())) {
        output.line(`Resume from the last checkpoint:  ${resumeCommand(run.path, '--adapters', 'ANOTHER')}`);
      }
      throw error;
    } finally {
      progress.stop();
      interruption.dispose();
      // Neither is worth losing a training run: their errors are only reported.
      await page?.close(finished).catch((error: Error) => output.line(`The dashboard: ${error.message}`));
      await events?.close().catch((error: Error) => output.line(`For TensorBoard: ${error.message}`));
    }
  } finally {
    session.dispose();
  }
}

/** How colourful the first layer's filters are by now, column by column, where they see colours. */
async function coloursOf(network: Network): Promise<Record<string, number> | undefined> {
  const { description } = network;
  const path = colourWeight(description);
  if (path === undefined) return undefined;
  return colourMetrics((await network.parameters([path]))[path]!, description.columns);
}

/** Serves the page, and says where; nothing where it cannot be served. */
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

/** The parameters that a run without a checkpoint starts from: those that it was given, and the others as they are drawn. */
async function startOf(run: RunDirectory, { network }: Session, given: Readonly<Record<string, HostTensor>>) {
  try {
    return { initialParameters: await startingWeights(given, network, run.config.recipe.startsFrom?.replaces ?? []) };
  } catch (error) {
    if (run.isNew) await run.remove();
    throw error;
  }
}

/** The kernels of a session's network: others sum in another order. */
function sameKernels(run: RunDirectory, { tunings }: Session): Omit<Tuning, 'say'> {
  if (tunings.every(({ size }) => size === 0)) return { effort: 'off', file: undefined };
  return tunings.length === 1 ? { effort: 'off', file: tuningsOfRun(run.path) } : { effort: 'cached', file: undefined };
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

/** Called before anything takes time: throws a `ConfigError` if the directory has a run or anything else. */
export async function refuseExisting(path: string): Promise<void> {
  if (await RunDirectory.exists(path)) {
    throw new ConfigError(
      `${path}: already contains a run; resume it with \`${resumeCommand(path)}\`, or choose another --run`,
    );
  }
}

/** Prints how to resume a run that was stopped. */
export function sayHowToResume({ run, result }: Trained, output: Output): void {
  output.line(`Stopped after step ${result.step} of ${run.config.recipe.steps}; everything is saved in ${run.path}.`);
  output.line(`Resume with:  ${resumeCommand(run.path)}`);
}

function resumeCommand(path: string, ...more: readonly string[]): string {
  return alexnetCommand(['train', '--run', path, '--resume', ...more]);
}

/** The result of training for `--json`. */
export function trainingResult({ run, result }: Trained) {
  const { step, finished, validation } = result;
  return { run: run.path, finished, step, ...(validation && { validation }) };
}

function namesOf({ gpus }: Session): string {
  return gpus.map(({ description }) => description.name).join(' and ');
}
