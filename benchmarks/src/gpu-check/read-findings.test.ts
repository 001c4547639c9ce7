import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Result } from '../report.js';
import { readAdapter, readLearning, readPeers, readStep, readTests, readTuning, stepFinding } from './read-findings.js';
import { formatRecord, parseRecords } from './records.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'alex-read-findings-'));
});
afterAll(() => rm(folder, { recursive: true }));

const lines = (...records: object[]) => records.map((record) => `${formatRecord(record)}\n`).join('');

test('finds records among other output, except a truncated one', () => {
  const output = `Warning: noise\n${lines({ loss: 1 })}{"loss":2}\n${lines({ loss: 3 })}${formatRecord({ loss: 4 }).slice(0, -1)}`;
  expect(parseRecords(output)).toEqual([{ loss: 1 }, { loss: 3 }]);
});

test('the last record of an adapter counts', () => {
  expect(readAdapter(lines({ kind: 'adapter', computes: 'a' }, { kind: 'adapter', computes: 'b' }))).toMatchObject({
    computes: 'b',
  });
  expect(readAdapter('no adapter')).toBeUndefined();
});

const asked = { model: 'paper', batch: 100, precision: 'mixed', tuned: true } as const;

function result(name: string, medianMs: number, more: Partial<Result> = {}): Result {
  const times = { medianMs, fastestMs: medianMs - 1, slowestMs: medianMs + 1 };
  return { name, adapter: 'a', ...times, rate: null, unit: 'bytes/s', rooflineShare: null, ...more };
}

const step = result('step', 50, { rate: 2000, unit: 'images/s' });
const untimed = [
  result('roofline/multiply-adds', 0, { rate: 1e12, unit: 'multiply-adds/s' }),
  result('roofline/copy', 0, { rate: 1e11 }),
  result('first step', 7000, { rate: 1, unit: 'images/s' }),
  step,
];

test('divides a step into products, other kernels and the rest', () => {
  const product = (name: string, milliseconds: number, rate: number) =>
    result(name, milliseconds, { rate, unit: 'multiply-adds/s', multiplyAddShare: rate / 1e12 });
  const finding = stepFinding(
    [
      ...untimed,
      result('step/not in a kernel', 5),
      result('pool1/forward', 10),
      product('conv1/forward', 30, 2e11),
      product('fc6/forward', 5, 9e11),
    ],
    asked,
  );
  expect(finding).toMatchObject({
    ...asked,
    imagesPerSecond: 2000,
    stepMs: 50,
    fastestMs: 49,
    firstStepMs: 7000,
    productsMs: 35,
    otherKernelsMs: 10,
    notInKernelsMs: 5,
  });
  // 6e9 and 4.5e9 multiply-adds in 35 ms, at 1e12 per second.
  expect(finding!.multiplyAddShare).toBeCloseTo(0.3, 12);
  expect(finding!.kernels.map(({ name }) => name)).toEqual(['conv1/forward', 'pool1/forward', 'fc6/forward']);
});

test('without timestamps a step only has its time, and without a step it has none', async () => {
  expect(stepFinding(untimed, asked)).toMatchObject({
    imagesPerSecond: 2000,
    productsMs: null,
    multiplyAddShare: null,
  });
  expect(stepFinding([], asked)).toBeUndefined();
  expect(await readStep(join(folder, 'missing.json'), asked)).toBeUndefined();
  const file = join(folder, 'step.json');
  await writeFile(file, JSON.stringify({ results: untimed }));
  expect(await readStep(file, asked)).toMatchObject({ imagesPerSecond: 2000 });
});

test('counts tunings', () => {
  const dropped = [{ key: 'product/1', choice: {}, reason: 'wrong' }];
  const printed = `noise\n${JSON.stringify({ tuned: ['a', 'b'], left: ['c'], dropped })}\n`;
  const wanted = { batch: 8, precision: 'mixed' } as const;
  expect(readTuning(printed, wanted)).toEqual({
    kind: 'tuning',
    ...wanted,
    ...{ tuned: 2, left: 1, dropped: [{ key: 'product/1', reason: 'wrong' }] },
  });
  expect(readTuning('', wanted)).toBeUndefined();
});

test('an interrupted training has the steps so far', () => {
  const output = lines({ batch: 32 }, { loss: 2 }, { loss: Number.NaN }, { loss: 1 });
  const finding = readLearning(output, 'float32')!;
  expect(finding).toEqual({ kind: 'learning', precision: 'float32', batch: 32, losses: [2, Number.NaN, 1] });
  expect(readLearning(output + lines({ validationError: 0.25 }), 'float32')).toMatchObject({ validationError: 0.25 });
  expect(readLearning('', 'float32')).toBeUndefined();
});

test('counts tests, and names the first failure', () => {
  const output = lines(
    { state: 'passed', name: 'a' },
    { state: 'skipped', name: 'b' },
    { state: 'failed', name: 'c', message: 'expected 1 to be 2' },
    { state: 'failed', name: 'd', message: 'later' },
  );
  expect(readTests(output, 'lrn')).toEqual({
    kind: 'tests',
    package: 'lrn',
    ...{ passed: 1, failed: 2, skipped: 1, firstFailure: 'c: expected 1 to be 2' },
  });
});

test('lists the other libraries of the report', async () => {
  const file = join(folder, 'peers.json');
  await writeFile(file, JSON.stringify({ results: [], peers: [{ library: 'tfjs' }] }));
  expect(await readPeers(file, 32)).toEqual({ kind: 'peers', batch: 32, results: [{ library: 'tfjs' }] });
  await writeFile(file, '{"peers":[');
  expect(await readPeers(file, 32)).toBeUndefined();
});
