// The bytes that a training step of the paper's network moves on a large GPU, kernel by kernel, in MB (10^6 bytes). A tensor
// counts once for each kernel that reads it and once for each that writes it: traffic that caches cannot avoid.
//
//   npm run bytes                       a table of layers and directions
//   npm run bytes -- --all              each dispatch instead
//   npm run bytes -- --batch 256        another batch
//   npm run bytes -- --json FILE        writes the results
//   npm run bytes -- --before FILE      compares with earlier results
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { groupedBytes, stepBytes, totalBytes } from '../packages/model-alexnet/src/testing/step-bytes.ts';

const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    batch: { type: 'string', default: '128' },
    json: { type: 'string' },
    before: { type: 'string' },
  },
});

const precisions = ['float32', 'mixed'];
const now = Object.fromEntries(
  precisions.map((precision) => [precision, stepBytes({ precision, batch: Number(values.batch) })]),
);
if (values.json) writeFileSync(values.json, `${JSON.stringify(now, undefined, 1)}\n`);
const before = values.before && JSON.parse(readFileSync(values.before, 'utf8'));

if (values.all) {
  for (const precision of precisions) {
    console.log(`\n${precision}: ${now[precision].length} dispatches, ${gigabytes(now[precision])} GB`);
    printTable([
      ['dispatch', 'read', 'written'],
      ...now[precision].map(({ label, read, written }) => [label, megabytes(read), megabytes(written)]),
    ]);
  }
} else {
  const columns = precisions.flatMap((precision) => [
    ...(before ? [{ head: `${precision}, before`, kernels: before[precision] }] : []),
    { head: precision, kernels: now[precision] },
  ]);
  const grouped = columns.map(({ kernels }) => groupedBytes(kernels));
  const cell = (bytes) => (bytes === undefined ? '' : megabytes(bytes.read + bytes.written));
  printTable([
    ['MB', ...columns.map(({ head }) => head)],
    ...[...new Set(grouped.flatMap((group) => [...group.keys()]))].map((name) => [
      name,
      ...grouped.map((group) => cell(group.get(name))),
    ]),
    ['all', ...columns.map(({ kernels }) => megabytes(totalBytes(kernels)))],
    ['dispatches', ...columns.map(({ kernels }) => `${kernels.length}`)],
  ]);
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e6 ? 1 : 0);
}

function gigabytes(kernels) {
  return (totalBytes(kernels) / 1e9).toFixed(2);
}

/** A Markdown table that is also readable as plain text. */
function printTable([head, ...rows]) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (row) =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join(' | ')} |`;
  console.log(line(head));
  console.log(`|${widths.map((width, column) => '-'.repeat(width + 1) + (column === 0 ? '-' : ':')).join('|')}|`);
  for (const row of rows) console.log(line(row));
}
