import { RunDirectory } from '@alex/trainer';
import { openDataOfRun } from '../data.js';
import { type Example, predictExamples } from '../examples.js';
import { exitCode } from '../failure.js';
import type { AdapterOptions } from '../options.js';
import type { Output } from '../output.js';
import { openTrained } from '../session.js';

/** What `report` takes. */
export interface ReportOptions extends AdapterOptions {
  readonly run: string;
  readonly data?: string;
}

const exampleCount = 12;

/** Draws a run into one HTML file, whether it has finished or not; gives the exit code. */
export async function reportCommand(options: ReportOptions, output: Output): Promise<number> {
  const run = await RunDirectory.open(options.run);
  const finished = await run.hasWeights();
  const examples = finished ? await examplesOf(run, options) : [];
  // Only now: what draws takes longer to load than everything else together.
  const { writeReport } = await import('../report.js');
  const report = await writeReport(run, { examples, finished });
  output.result({ run: options.run, report });
  output.line(`The report is in ${report}.`);
  return exitCode.success;
}

async function examplesOf(run: RunDirectory, { adapters, data }: ReportOptions): Promise<Example[]> {
  const dataset = await openDataOfRun(run.config, data);
  const session = await openTrained(run, { adapters });
  try {
    return await predictExamples(session, dataset, exampleCount);
  } finally {
    session.dispose();
  }
}
