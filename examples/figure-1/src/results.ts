// Writes docs/results/figure-1.md and its figure from figure-1.jsonl next to them; with --runs, first writes figure-1.jsonl from
// the runs.
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Curve } from './curve.js';
import { drawFigure, pngOf } from './figure.js';
import { figure1Page, shownCurves } from './page.js';
import { readCurves } from './train.js';

const results = new URL('../../../docs/results/', import.meta.url);
const { values } = parseArgs({ options: { runs: { type: 'string' } } });

const summary = new URL('figure-1.jsonl', results);
if (values.runs !== undefined) await writeFile(summary, linesOf(await readCurves(values.runs)));
const curves = (await readFile(summary, 'utf8'))
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Curve);
const figure = drawFigure(shownCurves(curves));
await writeFile(new URL('figure-1.svg', results), figure);
await writeFile(new URL('figure-1.png', results), await pngOf(figure));
await writeFile(new URL('figure-1.md', results), figure1Page(curves));

/** One curve per line; errors have the digits that 50,000 images justify. */
function linesOf(found: readonly Curve[]): string {
  return found
    .map(({ errors, seconds, ...rest }) => ({
      ...rest,
      seconds: Math.round(seconds),
      errors: errors.map((error) => Number(error.toFixed(5))),
    }))
    .map((curve) => `${JSON.stringify(curve)}\n`)
    .join('');
}
