import { expect, test } from 'vitest';
import { formatCheck } from './check-table.js';
import type { CheckReport, StepFinding } from './findings.js';

const step: StepFinding = {
  kind: 'step',
  ...{ model: 'paper', batch: 128, precision: 'float32', tuned: false, imagesPerSecond: 3020.4 },
  ...{ stepMs: 42.39, fastestMs: 42, slowestMs: 43, firstStepMs: 7109 },
  ...{ productsMs: 38.5, multiplyAddShare: 0.241, otherKernelsMs: 2.5, notInKernelsMs: 1.39 },
  kernels: [
    { name: 'conv2/weightGradient', milliseconds: 7.4, multiplyAddShare: 0.133 },
    { name: 'norm1/backward', milliseconds: 0.26 },
  ],
};

const done = { outcome: 'done', seconds: 10 } as const;

const report: CheckReport = {
  ...{ date: '2026-11-27', seconds: 421.3 },
  tasks: [
    { name: 'step of 128, float32', ...done, finding: step },
    { name: 'step of 128, mixed', ...done, finding: { ...step, precision: 'mixed', kernels: [step.kernels[1]!] } },
    {
      ...{ name: 'tests of lrn', outcome: 'failed', seconds: 3, reason: 'ended with exit code 1' },
      finding: {
        kind: 'tests',
        package: 'lrn',
        ...{ passed: 20, failed: 1, skipped: 0, firstFailure: 'lrn.test.ts: forward: expected 1 to be 2' },
      },
    },
    { name: 'learning, mixed', outcome: 'not reached', seconds: 0, reason: 'the time limit of its part was reached' },
  ],
  learning: { stepsPerPoint: 20, float32: [2.3, 1.1], mixed: [2.25, 1.2], largestDifference: 0.1 },
};

const columns = (text: string, title: string) =>
  text
    .split('\n')
    .find((line) => line.startsWith(title))!
    .trim()
    .split(/ {2,}/);

test('the table has what was found, and shows what was not', () => {
  const text = formatCheck(report);
  expect(text).toMatch(/^Alex on a GPU, 2026-11-27, 421 s\n/);
  expect(columns(text, 'paper 128 float32')).toEqual([
    ...['paper 128 float32', '3020.4', '42.39', '42.00-43.00', '38.50', '24.1%', '2.50', '1.39', '7109'],
  ]);
  expect(columns(text, 'conv2/weightGradient')).toEqual(['conv2/weightGradient', '7.40 (13.3%)']);
  expect(columns(text, 'norm1/backward')).toEqual(['norm1/backward', '0.26', '0.26']);
  expect(columns(text, 'lrn')).toEqual(['lrn', '20', '1', '0']);
  expect(text).toContain('lrn: lrn.test.ts: forward: expected 1 to be 2');
  expect(columns(text, 'learning, mixed')).toEqual([
    ...['learning, mixed', 'not reached', '0', 'the time limit of its part was reached'],
  ]);
  // Neither the tuner nor other libraries ran.
  expect(text).not.toMatch(/^(Tuning|Other libraries|Adapter)/m);
});

test('a check without findings says so', () => {
  const text = formatCheck({
    date: 'd',
    seconds: 1,
    tasks: [{ name: 'adapter', outcome: 'failed', seconds: 1, reason: 'no' }],
  });
  expect(text).toBe(
    'Alex on a GPU, d, 1 s\n\n\nWhat was done\n\ntask     outcome  seconds\nadapter   failed        1  no',
  );
});
