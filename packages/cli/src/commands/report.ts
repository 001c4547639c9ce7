import { RunDirectory, type WhichWeights } from '@alex/trainer';
import { openDataOfRun, sayRemarks } from '../data.js';
import { exitCode } from '../failure.js';
import type { AdapterOptions } from '../options.js';
import type { Output } from '../output.js';
import { openTrained } from '../session.js';
import { type ShownNetwork, showNetwork } from '../shown-network.js';
import { openTrainedRun } from '../trained-run.js';

/** Options of `report`. */
export interface ReportOptions extends AdapterOptions {
  readonly run: string;
  readonly data?: string;
  readonly checkpoint?: WhichWeights;
}

const exampleCount = 12;

/** Draws a run, finished or not, into one HTML file; returns the exit code. */
export async function reportCommand(options: ReportOptions, output: Output): Promise<number> {
  const run = await RunDirectory.open(options.run);
  const hasLearnt = (await run.hasWeights()) || (await run.checkpoints.steps()).length > 0;
  // A run without weights may have curves, but nothing else to show.
  const shown = hasLearnt || options.checkpoint !== undefined ? await shownOf(run, options, output) : undefined;
  // Imported only now: the drawing code takes longer to load than everything else together.
  const { writeReport } = await import('../report.js');
  const report = await writeReport(run, shown);
  output.result({ run: options.run, report });
  output.line(`The report is in ${report}.`);
  return exitCode.success;
}

async function shownOf(
  run: RunDirectory,
  { run: path, adapters, data, checkpoint }: ReportOptions,
  output: Output,
): Promise<ShownNetwork> {
  const dataset = await openDataOfRun(run.config, data);
  sayRemarks([dataset], output);
  const session = await openTrained(await openTrainedRun(path, checkpoint, output), { adapters });
  try {
    return await showNetwork(session, dataset, exampleCount);
  } finally {
    session.dispose();
  }
}
