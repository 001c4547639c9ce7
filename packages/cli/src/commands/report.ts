import type { Dataset } from '@alex/data';
import { AlexError } from '@alex/tensor';
import { evaluate, RunDirectory, type WhichWeights } from '@alex/trainer';
import { openDataOfRun, sayRemarks } from '../data.js';
import { predictExamples } from '../examples.js';
import { exitCode } from '../failure.js';
import { firstFilters } from '../first-filters.js';
import type { AdapterOptions } from '../options.js';
import type { Output } from '../output.js';
import { runNeighbours } from '../report/run-neighbours.js';
import type { Shown } from '../report/write-report.js';
import { describeModel, openTrained } from '../session.js';
import { openTrainedRun } from '../trained-run.js';

/** Options of `report`. */
export interface ReportOptions extends AdapterOptions {
  readonly run: string;
  readonly data?: string;
  readonly checkpoint?: WhichWeights;
  readonly maxRejected?: number;
  /** Evaluates the validation images for the report, with this many views of each. */
  readonly views?: number;
}

/** The number in figure 4 of the paper. */
const exampleCount = 8;

/** Draws a run, finished or not, into one HTML file; returns the exit code. */
export async function reportCommand(options: ReportOptions, output: Output): Promise<number> {
  const run = await RunDirectory.open(options.run);
  const hasLearnt = (await run.hasWeights()) || (await run.checkpoints.steps()).length > 0;
  // A run without trained weights may have curves, but nothing else to show.
  const shown = hasLearnt || options.checkpoint !== undefined ? await shownOf(run, options, output) : {};
  // Imported only now: the drawing code takes longer to load than everything else together.
  const { writeReport } = await import('../report/write-report.js');
  const report = await writeReport(run, shown);
  const { evaluations = [] } = shown;
  output.result({ run: options.run, report, ...(evaluations.length > 0 && { evaluations }) });
  output.line(`The report is in ${report}.`);
  return exitCode.success;
}

async function shownOf(run: RunDirectory, options: ReportOptions, output: Output): Promise<Shown> {
  const { config } = run;
  const trained = await openTrainedRun(options.run, options.checkpoint, output);
  const learnt = await trained.learnt();
  const { model, data } = config;
  const description = describeModel({ ...model, classes: data.classes.length, channels: data.channels });
  const filters = firstFilters(description, learnt.weights);
  const dataset = await dataOf(run, options, output);
  if (!dataset) return { filters };
  sayRemarks([dataset], output);
  const split = dataset.validation;
  if (split.length === 0) {
    output.line('The report shows no predictions: the data have no validation images.');
    return { filters };
  }
  const session = await openTrained({ ...trained, learnt: async () => learnt }, { adapters: options.adapters });
  try {
    const { views } = options;
    const { network, augmenter } = session;
    return {
      filters,
      examples: await predictExamples(session, dataset, exampleCount),
      neighbours: await runNeighbours(
        { ...options, config, weights: learnt.weights, dataset, data: options.data, maxRejected: options.maxRejected },
        session,
        output,
      ),
      ...(views !== undefined && {
        evaluations: [{ views, ...(await evaluate({ network, augmenter, split, views })) }],
      }),
    };
  } finally {
    session.dispose();
  }
}

/** The images to predict. A report can omit them, unless the user asked for something that needs them. */
async function dataOf(run: RunDirectory, options: ReportOptions, output: Output): Promise<Dataset | undefined> {
  try {
    const { data, maxRejected } = options;
    return await openDataOfRun(run.config, data, { checked: 'validation', maxRejected, output });
  } catch (error) {
    if (options.data !== undefined || options.views !== undefined || !(error instanceof AlexError)) throw error;
    output.line(
      `The report shows no predictions: ${error.message}. If the images have moved, give their new location as --data.`,
    );
    return undefined;
  }
}
