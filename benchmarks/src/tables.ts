import type { Comparison } from './compare.js';
import type { PeerResult } from './peers/measure.js';
import type { Report, Result } from './report.js';

export function formatReport({ environment, results, peers = [] }: Report): string {
  const { adapter, driver, processor, cores, node } = environment;
  const isLayer = ({ name }: Result) => name.startsWith('layers/');
  const layers = results.filter(isLayer);
  const shared = ['loading', 'exchange'].map((kind) => results.filter(({ name }) => name.startsWith(`${kind}/`)));
  const others = results.filter((result) => !isLayer(result) && !shared.flat().includes(result));
  return [
    `${adapter} (${driver}); ${processor}, ${cores} cores; Node ${node}`,
    formatKernels(others),
    ...(layers.length > 0 ? ['', formatLayers(layers)] : []),
    ...shared.flatMap((some) => (some.length > 0 ? ['', formatShares(some)] : [])),
    ...(peers.length > 0 ? ['', formatPeers(peers)] : []),
  ].join('\n');
}

function formatKernels(results: readonly Result[]): string {
  const stepMs = results.find(({ name }) => name === 'step')?.medianMs;
  const ofStep = (milliseconds: number) => (stepMs === undefined ? '' : percent(milliseconds / stepMs));
  const rows = results.flatMap((result) => {
    const inStep = !['step', 'first step'].includes(result.name) && result.medianMs !== 0;
    const row = [
      result.name,
      result.medianMs !== 0 ? result.medianMs.toFixed(2) : '',
      result.medianMs !== 0 ? spread(result) : '',
      inStep ? ofStep(result.medianMs) : '',
      formatRate(result),
      result.multiplyAddShare === undefined ? '' : percent(result.multiplyAddShare),
      result.rooflineShare === null ? '' : percent(result.rooflineShare),
      result.boundBy ?? '',
    ];
    const parts = Object.entries(result.dispatches ?? {}).map(([label, milliseconds]) => [
      `  includes ${label}`,
      milliseconds.toFixed(2),
      ...['', ofStep(milliseconds), '', '', '', ''],
    ]);
    return [row, ...parts];
  });
  const heads = ['kernel', 'median ms', 'spread', 'of step', 'rate', 'of multiply-adds', 'of roofline', 'bound by'];
  return table([heads, ...rows]);
}

function formatLayers(results: readonly Result[]): string {
  return table([
    ['layer alone', 'median ms', 'spread', 'rate', 'of multiply-adds', 'CPU ms', 'of multiply-adds'],
    ...results.map((result) => {
      const { name, medianMs, processorMs = medianMs, multiplyAddShare = 0 } = result;
      return [
        name.slice('layers/'.length),
        medianMs.toFixed(2),
        spread(result),
        formatRate(result),
        percent(multiplyAddShare),
        processorMs.toFixed(2),
        percent((multiplyAddShare * medianMs) / processorMs),
      ];
    }),
  ]);
}

/** Measurements compared with a plain one: all of one kind, with a common prefix of their names. */
function formatShares(results: readonly Result[]): string {
  const kind = results[0]!.name.split('/')[0]!;
  return table([
    [kind, 'median ms', 'spread', 'rate', 'CPU ms', 'share'],
    ...results.map((result) => {
      const { name, medianMs, processorMs, share } = result;
      return [
        name.slice(kind.length + 1),
        medianMs.toFixed(2),
        spread(result),
        formatRate(result),
        processorMs === undefined ? '' : processorMs.toFixed(2),
        share === undefined ? '' : percent(share),
      ];
    }),
  ]);
}

export function formatPeers(peers: readonly PeerResult[]): string {
  return table([
    ['workload', 'library', 'median ms', 'spread', 'first ms', 'rate', "of Alex's time", 'largest error', ''],
    ...peers.map((peer) => {
      const { medianMs, fastestMs, slowestMs, firstMs, ratio, error, failure = '' } = peer;
      const timed = medianMs !== null && fastestMs !== null && slowestMs !== null;
      return [
        peer.workload,
        peer.library,
        timed ? medianMs.toFixed(2) : '',
        timed ? spread({ fastestMs, slowestMs }) : '',
        firstMs === null ? '' : firstMs.toFixed(0),
        formatRate(peer),
        ratio === null ? '' : `${ratio.toFixed(2)} x`,
        error === null ? '' : error.toExponential(1),
        failure,
      ];
    }),
  ]);
}

export function formatComparison(comparisons: readonly Comparison[]): string {
  return table([
    ['kernel', 'before ms', 'spread', 'now ms', 'spread', 'ratio', 'spread', ''],
    ...comparisons.map(({ name, before, after, ratio, leastRatio, mostRatio, fell }) => [
      name,
      before.medianMs.toFixed(2),
      spread(before),
      after.medianMs.toFixed(2),
      spread(after),
      ratio.toFixed(2),
      `${leastRatio.toFixed(2)}-${mostRatio.toFixed(2)}`,
      fell ? 'SLOWER' : '',
    ]),
  ]);
}

function spread({ fastestMs, slowestMs }: { readonly fastestMs: number; readonly slowestMs: number }): string {
  return `${fastestMs.toFixed(2)}-${slowestMs.toFixed(2)}`;
}

function formatRate({ rate, unit }: { readonly rate: number | null; readonly unit: string }): string {
  if (rate === null) return '';
  return unit === 'images/s' ? `${rate.toFixed(2)} ${unit}` : `${(rate / 1e9).toFixed(2)} G${unit}`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

/** Rows of aligned cells: the first cell of each to the left, the others to the right. */
export function table(lines: readonly (readonly string[])[]): string {
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
