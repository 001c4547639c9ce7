import { join } from 'node:path';
import { type Neighbours, reportHtml } from '@alex/report';
import type { RunDirectory } from '@alex/trainer';
import { counted } from '../output.js';
import { describeModel } from '../session.js';
import type { ShownNetwork } from '../shown-network.js';
import { version } from '../version.js';
import { writeResult } from '../write-result.js';
import { type Evaluation, publishedResults } from './published-results.js';
import { remakingOf } from './remaking.js';
import { environmentOf, memoryOf, speedOf } from './run-facts.js';
import { type RunRecord, readRunRecord } from './run-record.js';
import { remarksOn, statusOf } from './run-story.js';
import { settingsOf } from './settings.js';

/** What a report shows of a trained network. */
export interface Shown extends Partial<ShownNetwork> {
  readonly evaluations?: readonly Evaluation[];
  /** Images with those whose features are nearest. */
  readonly neighbours?: readonly Neighbours[];
}

/**
 * Writes `report.html` into a run's directory: everything in the directory and, for a trained network, its first layer's filters
 * and its predictions.
 *
 * @returns the file's path
 */
export async function writeReport(run: RunDirectory, shown: Shown = {}): Promise<string> {
  const { model, data, recipe } = run.config;
  const description = describeModel({ ...model, classes: data.classes.length, channels: data.channels });
  const record = await readRunRecord(run);
  const columnNames = columnNamesOf(record, description.columns);
  const html = await reportHtml({
    title: `${model.variant} on ${data.name}`,
    subtitle: `${data.classes.length} classes, ${counted(recipe.steps, 'step')} of ${counted(recipe.batch, 'image')}`,
    status: statusOf(record),
    remarks: remarksOn(record),
    metrics: record.metrics,
    network: description,
    ...(columnNames && { columnNames }),
    results: publishedResults(record, shown.evaluations ?? []),
    ...(shown.filters && { filters: shown.filters, filtersOptions: { columns: description.columns } }),
    predictions: shown.examples ?? [],
    neighbours: shown.neighbours ?? [],
    speed: speedOf(record, description),
    memory: memoryOf(record),
    environment: environmentOf(record),
    settings: settingsOf(run.config),
    remaking: await remakingOf(record),
    footer: `Written by alexnet report of @alex/cli ${version}.`,
  });
  const path = join(run.path, 'report.html');
  await writeResult(path, html);
  return path;
}

/** The adapters by the columns that they compute, if each has one, as in the paper. */
function columnNamesOf({ stretches }: RunRecord, columns: number): string[] | undefined {
  const last = stretches.at(-1);
  if (last?.strategy !== 'model' || last.adapters.length !== columns) return undefined;
  return last.adapters.map(({ name }, column) => `column ${column + 1}: ${name}`);
}
