import { readFile } from 'node:fs/promises';
import { DataError } from '@alex/tensor';
import { median } from './median.js';
import type { Report, Result } from './report.js';

type Times = Pick<Result, 'medianMs' | 'fastestMs' | 'slowestMs'>;

export interface Comparison {
  readonly name: string;
  readonly before: Times;
  readonly after: Times;
  /** Ratio of the medians: above 1 if it became faster. */
  readonly ratio: number;
  /** The smallest and the largest ratio that the timings allow. */
  readonly leastRatio: number;
  readonly mostRatio: number;
  /** Whether it is more than a tenth slower, and the slowest time before was still below the fastest now. */
  readonly fell: boolean;
}

export async function readReport(file: string): Promise<Report> {
  try {
    const report = JSON.parse(await readFile(file, 'utf8')) as Partial<Report>;
    if (Array.isArray(report.results) && report.environment) return report as Report;
  } catch (error) {
    throw new DataError(`${file} cannot be read as a benchmark report: ${(error as Error).message}`);
  }
  throw new DataError(`${file} is not a benchmark report: write one with npm run bench -- --json FILE`);
}

/** Ratios of the kernels that are in both reports. */
export function compareResults(before: Report, after: Report): Comparison[] {
  return after.results.flatMap((result) => {
    const earlier = before.results.find(({ name, adapter }) => name === result.name && adapter === result.adapter);
    // A kernel that took no measurable time, or a step that took less than its kernels alone, has no ratio.
    if (!earlier || earlier.fastestMs <= 0 || result.fastestMs <= 0) return [];
    const ratio = earlier.medianMs / result.medianMs;
    return [
      {
        name: result.name,
        before: earlier,
        after: result,
        ratio,
        leastRatio: earlier.fastestMs / result.slowestMs,
        mostRatio: earlier.slowestMs / result.fastestMs,
        fell: ratio < 0.9 && earlier.slowestMs < result.fastestMs,
      },
    ];
  });
}

/** Combines several reports of the same thing: medians of medians, and the whole spread. */
export function poolReports(reports: readonly [Report, ...Report[]]): Report {
  const [first] = reports;
  const results = first.results.map((result) => {
    const all = reports.flatMap((report) => report.results.filter(({ name }) => name === result.name));
    return {
      ...result,
      medianMs: median(all.map(({ medianMs }) => medianMs)),
      fastestMs: Math.min(...all.map(({ fastestMs }) => fastestMs)),
      slowestMs: Math.max(...all.map(({ slowestMs }) => slowestMs)),
    };
  });
  return { ...first, results };
}
