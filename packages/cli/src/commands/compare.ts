import type { ComparisonAxis, ReportTable } from '@alex/report';
import { ConfigError } from '@alex/tensor';
import { RunDirectory } from '@alex/trainer';
import { differencesBetween } from '../compare/differences.js';
import { exitCode } from '../failure.js';
import type { CommonOptions } from '../options.js';
import type { Output } from '../output.js';
import { givenTwice } from '../trained-run.js';
import { version } from '../version.js';
import { checkPlace, writeResult } from '../write-result.js';

/** What `compare` takes. */
export interface CompareOptions extends CommonOptions {
  readonly by: ComparisonAxis;
  /** The HTML file to write. */
  readonly to?: string;
}

/** Compares runs: figures, curves, and how they differ; returns the exit code. */
export async function compareCommand(
  paths: readonly string[],
  options: CompareOptions,
  output: Output,
): Promise<number> {
  await checkPlace('--to', options.to, { endings: ['.html', '.htm'] });
  const twice = givenTwice(paths);
  if (twice !== undefined) throw new ConfigError(`${twice}: is given twice; give each run once`);
  const runs = [];
  for (const path of paths) runs.push(await RunDirectory.open(path));
  // Imported only now: the drawing code takes longer to load than everything else together.
  const { comparisonHtml } = await import('@alex/report');
  const { readRunRecord } = await import('../report/run-record.js');
  const { cautions, differencesTable, figuresOf, figuresTable, namesOf, sameEpochsTable } = await import(
    '../compare/figures.js'
  );
  const names = namesOf(paths);
  const records = [];
  for (const [index, run] of runs.entries()) records.push({ ...(await readRunRecord(run)), name: names[index]! });
  const differences = differencesBetween(records);
  const tables = [figuresTable(records), sameEpochsTable(records), differencesTable(records, differences)].filter(
    (table) => table !== undefined,
  );
  const remarks = cautions(records);
  const { to, by } = options;
  if (to !== undefined) {
    const html = await comparisonHtml({
      title: names.length === 1 ? names[0]! : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`,
      subtitle: `${names.length === 1 ? 'A run' : `${names.length} runs compared`}, curves by ${by}`,
      runs: records.map(({ name, metrics, config }) => ({ name, metrics, batch: config.recipe.batch })),
      by,
      remarks,
      tables,
      footer: `Written by alexnet compare of @alex/cli ${version}.`,
    });
    await writeResult(to, html);
  }
  output.result({ runs: records.map(figuresOf), differences, ...(to !== undefined && { to }) });
  for (const remark of remarks) output.line(remark);
  for (const table of tables) {
    output.line();
    output.line(inText(table));
  }
  output.line();
  output.line(to === undefined ? 'To plot the curves, add --to FILE.html.' : `The curves are in ${to}.`);
  return exitCode.success;
}

/** A table for a terminal: columns as wide as their contents, numbers aligned to the right. */
function inText({ caption, columns, rows, numbersFrom = Number.POSITIVE_INFINITY }: ReportTable): string {
  const lines = [columns, ...rows];
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const text = lines.map((line) =>
    line
      .map((cell, column) => (column < numbersFrom ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
  return [`${caption}:`, ...text.map((line) => `  ${line}`)].join('\n');
}
