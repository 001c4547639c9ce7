import type { Comparison } from './compare.js';
import type { Report, Result } from './report.js';

export function formatReport({ environment, results }: Report): string {
  const { adapter, driver, processor, cores, node } = environment;
  const stepMs = results.find(({ name }) => name === 'step')?.medianMs;
  const rows = results.map((result) => [
    result.name,
    result.medianMs > 0 ? result.medianMs.toFixed(2) : '',
    stepMs !== undefined && result.name.includes('/') && result.medianMs > 0 ? percent(result.medianMs / stepMs) : '',
    formatRate(result),
    result.rooflineShare === null ? '' : percent(result.rooflineShare),
  ]);
  return [
    `${adapter} (${driver}); ${processor}, ${cores} cores; Node ${node}`,
    table([['kernel', 'median ms', 'of step', 'rate', 'of roofline'], ...rows]),
  ].join('\n');
}

export function formatComparison(comparisons: readonly Comparison[]): string {
  return table([
    ['kernel', 'before ms', 'now ms', 'ratio', ''],
    ...comparisons.map(({ name, beforeMs, afterMs, ratio, fell }) => [
      name,
      beforeMs.toFixed(2),
      afterMs.toFixed(2),
      ratio.toFixed(2),
      fell ? 'SLOWER' : '',
    ]),
  ]);
}

function formatRate({ rate, unit }: Result): string {
  if (rate === null) return '';
  return unit === 'images/s' ? `${rate.toFixed(2)} ${unit}` : `${(rate / 1e9).toFixed(2)} G${unit}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

function table(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
