import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compareResults, poolReports, readReport } from './compare.js';
import { median } from './median.js';
import type { Report, Result } from './report.js';
import { formatComparison, formatReport } from './tables.js';

const result = (name: string, fastestMs: number, medianMs: number, slowestMs: number): Result => ({
  name,
  adapter: 'a',
  fastestMs,
  medianMs,
  slowestMs,
  rate: 1e9,
  unit: 'bytes/s',
  rooflineShare: 0.5,
});

const report = (...results: Result[]): Report => ({
  environment: {
    date: '2026-01-01T00:00:00.000Z',
    adapter: 'a',
    driver: 'd',
    subgroupSize: 8,
    processor: 'p',
    cores: 2,
    memoryBytes: 1,
    node: 'v20',
    platform: 'linux x64',
  },
  results,
});

test('reports a slower kernel only if it is a tenth slower and the spreads do not overlap', () => {
  const before = report(
    result('steady', 9, 10, 11),
    result('slower', 9, 10, 11),
    result('noisy', 5, 10, 30),
    result('gone', 1, 1, 1),
  );
  const after = report(
    result('steady', 10, 10.5, 11),
    result('slower', 14, 15, 16),
    result('noisy', 10, 15, 20),
    result('new', 1, 1, 1),
  );
  const comparisons = compareResults(before, after);
  expect(comparisons.map(({ name, fell }) => [name, fell])).toEqual([
    ['steady', false],
    ['slower', true],
    ['noisy', false],
  ]);
  expect(formatComparison(comparisons)).toMatch(
    /slower +10\.00 +9\.00-11\.00 +15\.00 +14\.00-16\.00 +0\.67 +0\.56-0\.79 +SLOWER/,
  );
});

test('figures of another adapter are not compared', () => {
  const before = report(result('step', 1, 1, 1));
  expect(compareResults(before, report({ ...result('step', 2, 2, 2), adapter: 'b' }))).toEqual([]);
});

test('a report lists kernels with their fractions of the step and of the roofline', () => {
  expect(formatReport(report(result('step', 10, 10, 10), result('conv1/forward', 4, 4, 4)))).toMatch(
    /conv1\/forward +4\.00 +4\.00-4\.00 +40\.0% +1\.00 Gbytes\/s +50\.0%/,
  );
});

test('a product has its bound and its operands', () => {
  const product = {
    ...result('conv1/weightGradient', 2, 2, 2),
    rate: 3e9,
    unit: 'multiply-adds/s' as const,
    boundBy: 'multiply-adds' as const,
    multiplyAddShare: 1.25,
    dispatches: { 'conv1/weightGradient': 1.5, 'conv1/weightGradient/sum': 0.5 },
  };
  const table = formatReport(report(result('step', 10, 10, 10), product));
  expect(table).toMatch(/conv1\/weightGradient .* 20\.0% +3\.00 Gmultiply-adds\/s +125\.0% +50\.0% +multiply-adds/);
  expect(table).toMatch(/ {2}includes conv1\/weightGradient\/sum +0\.50 +5\.0%/);
});

test('single layers have their own table, with wall time and busy time', () => {
  const layer = { ...result('layers/fc8/forward', 4, 5, 6), multiplyAddShare: 0.4, processorMs: 4 };
  expect(formatReport(report(layer))).toMatch(/fc8\/forward +5\.00 +4\.00-6\.00 .* 40\.0% +4\.00 +50\.0%/);
});

test('pools reports of the same workload with their full spread', () => {
  const pooled = poolReports([report(result('step', 9, 10, 11)), report(result('step', 7, 14, 20))]);
  expect(pooled.results).toMatchObject([{ name: 'step', fastestMs: 7, medianMs: 12, slowestMs: 20 }]);
});

test('a negative time has no ratio', () => {
  const other = report(result('step/not in a kernel', -1, 2, 3));
  expect(compareResults(other, other)).toEqual([]);
});

test('the median of an even count is the mean of the middle two', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([3, 1, 2])).toBe(2);
});

test('an error names a file that is not a report', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'alex-bench-'));
  try {
    for (const [name, text] of [
      ['torn.json', '{"results": ['],
      ['other.json', '{}'],
    ] as const) {
      const file = join(folder, name);
      await writeFile(file, text);
      await expect(readReport(file)).rejects.toThrow(file);
    }
    await expect(readReport(join(folder, 'missing.json'))).rejects.toThrow(/missing\.json/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
