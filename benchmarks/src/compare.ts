import { readFile } from 'node:fs/promises';
import { DataError } from '@alex/tensor';
import type { Report } from './report.js';

export interface Comparison {
  readonly name: string;
  readonly beforeMs: number;
  readonly afterMs: number;
  /** Above 1 where it became faster. */
  readonly ratio: number;
  /** Whether it fell by more than a tenth, and the slowest before was still faster than the fastest now. */
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

/** Ratios of the kernels that both reports hold. */
export function compareResults(before: Report, after: Report): Comparison[] {
  return after.results.flatMap((result) => {
    const earlier = before.results.find(({ name, adapter }) => name === result.name && adapter === result.adapter);
    if (!earlier || earlier.medianMs === 0 || result.medianMs === 0) return [];
    const ratio = earlier.medianMs / result.medianMs;
    return [
      {
        name: result.name,
        beforeMs: earlier.medianMs,
        afterMs: result.medianMs,
        ratio,
        fell: ratio < 0.9 && earlier.slowestMs < result.fastestMs,
      },
    ];
  });
}
