import { readFile } from 'node:fs/promises';
import type { Precision } from '@alex/tensor/network';
import type { Report, Result } from '../report.js';
import type {
  AdapterFinding,
  LearningFinding,
  PeersFinding,
  StepFinding,
  TestsFinding,
  TuningFinding,
} from './findings.js';
import { parseRecords } from './records.js';

/*
 * The findings of a task, from its output or its file; undefined if there are none. A task that was stopped early may have
 * reported only a part.
 */

export function readAdapter(output: string): AdapterFinding | undefined {
  return parseRecords(output).at(-1) as AdapterFinding | undefined;
}

export interface StepAsked {
  readonly model: string;
  readonly batch: number;
  readonly precision: Precision;
  readonly tuned: boolean;
}

/** From the file that the benchmark wrote. */
export async function readStep(file: string, asked: StepAsked): Promise<StepFinding | undefined> {
  const report = await readJson<Report>(file);
  return report && stepFinding(report.results, asked);
}

const notKernels = ['first step', 'step', 'step/not in a kernel'];

export function stepFinding(results: readonly Result[], asked: StepAsked): StepFinding | undefined {
  const of = (name: string) => results.find((result) => result.name === name);
  const [first, step, outside, roofline] = [...notKernels, 'roofline/multiply-adds'].map(of);
  if (!(first && step && roofline)) return undefined;
  const kernels = results
    .filter(({ name }) => !notKernels.includes(name) && !name.startsWith('roofline/'))
    .sort((a, b) => b.medianMs - a.medianMs);
  const products = kernels.filter(({ unit }) => unit === 'multiply-adds/s');
  const sum = (some: readonly Result[]) => some.reduce((total, { medianMs }) => total + medianMs, 0);
  const multiplyAdds = products.reduce((total, { rate, medianMs }) => total + ((rate ?? 0) * medianMs) / 1000, 0);
  const timed = kernels.length > 0;
  return {
    kind: 'step',
    ...asked,
    imagesPerSecond: step.rate!,
    stepMs: step.medianMs,
    fastestMs: step.fastestMs,
    slowestMs: step.slowestMs,
    firstStepMs: first.medianMs,
    productsMs: timed ? sum(products) : null,
    multiplyAddShare: timed ? multiplyAdds / (sum(products) / 1000) / roofline.rate! : null,
    otherKernelsMs: timed ? sum(kernels) - sum(products) : null,
    notInKernelsMs: outside?.medianMs ?? null,
    kernels: kernels.map(({ name, medianMs, multiplyAddShare }) => ({
      name,
      milliseconds: medianMs,
      ...(multiplyAddShare !== undefined && { multiplyAddShare }),
    })),
  };
}

/** From the JSON that `devices --tune` prints. */
export function readTuning(
  output: string,
  asked: Pick<TuningFinding, 'batch' | 'precision'>,
): TuningFinding | undefined {
  const line = output.split('\n').findLast((candidate) => candidate.startsWith('{'));
  if (line === undefined) return undefined;
  const { tuned, left, dropped } = JSON.parse(line) as {
    readonly tuned: readonly string[];
    readonly left: readonly string[];
    readonly dropped: TuningFinding['dropped'];
  };
  return {
    kind: 'tuning',
    ...asked,
    tuned: tuned.length,
    left: left.length,
    dropped: dropped.map(({ key, reason }) => ({ key, reason })),
  };
}

export function readLearning(output: string, precision: Precision): LearningFinding | undefined {
  const records = parseRecords(output);
  const [batch] = valuesOf(records, 'batch');
  if (batch === undefined) return undefined;
  const [validationError] = valuesOf(records, 'validationError');
  return {
    kind: 'learning',
    precision,
    batch,
    // JSON has no NaN, which is therefore read as null.
    losses: records.flatMap(({ loss }) => (loss === undefined ? [] : [loss === null ? Number.NaN : Number(loss)])),
    ...(validationError !== undefined && { validationError }),
  };
}

function valuesOf(records: readonly Record<string, unknown>[], name: string): number[] {
  return records.flatMap((record) => (typeof record[name] === 'number' ? [record[name]] : []));
}

export function readTests(output: string, name: string): TestsFinding {
  const records = parseRecords(output) as { state?: string; name?: string; message?: string }[];
  const count = (state: string) => records.filter((record) => record.state === state).length;
  const first = records.find(({ state }) => state === 'failed');
  return {
    kind: 'tests',
    package: name,
    passed: count('passed'),
    failed: count('failed'),
    skipped: count('skipped'),
    ...(first && { firstFailure: `${first.name}: ${first.message ?? 'without a word'}` }),
  };
}

/** From the file that the benchmark wrote. */
export async function readPeers(file: string, batch: number): Promise<PeersFinding | undefined> {
  const results = (await readJson<Report>(file))?.peers;
  return results && { kind: 'peers', batch, results };
}

async function readJson<T>(file: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}
