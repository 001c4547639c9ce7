// Writes docs/results/cifar-10.md from cifar-10.jsonl next to it; with --runs, first writes cifar-10.jsonl from the
// runs.
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { cifar10Page } from './page.js';
import { readSummaries, type Summary } from './summary.js';

const results = new URL('../../../docs/results/', import.meta.url);
const { values } = parseArgs({ options: { runs: { type: 'string' } } });

const summary = new URL('cifar-10.jsonl', results);
if (values.runs !== undefined) {
  const lines = (await readSummaries(values.runs)).map((found) => `${JSON.stringify(found)}\n`);
  await writeFile(summary, lines.join(''));
}
const summaries = (await readFile(summary, 'utf8'))
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Summary);
await writeFile(new URL('cifar-10.md', results), cifar10Page(summaries));
