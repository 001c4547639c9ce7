import { expect, test } from 'vitest';
import type { TaskReport } from './findings.js';
import { learningDifference } from './learning-difference.js';

function learned(precision: 'float32' | 'mixed', losses: number[]): TaskReport {
  const finding = { kind: 'learning', precision, batch: 32, losses } as const;
  return { name: precision, outcome: 'done', seconds: 1, finding };
}

const steps = (count: number, loss: (step: number) => number) => Array.from({ length: count }, (_, step) => loss(step));

test('curves average 20 steps, and are compared over their common length', () => {
  const float32 = learned(
    'float32',
    steps(60, (step) => (step < 20 ? 3 : step < 40 ? 2 : 1)),
  );
  const mixed = learned(
    'mixed',
    steps(59, (step) => (step < 20 ? 3 : 1.5 + (step % 2))),
  );
  expect(learningDifference([mixed, float32])).toEqual({
    stepsPerPoint: 20,
    ...{ float32: [3, 2, 1], mixed: [3, 2], largestDifference: 0 },
  });
  const shifted = learned(
    'mixed',
    steps(60, (step) => (step < 40 ? 3 : 1.25)),
  );
  expect(learningDifference([float32, shifted])!.largestDifference).toBe(1);
});

test('a single curve has no difference', () => {
  expect(
    learningDifference([
      learned(
        'float32',
        steps(60, () => 1),
      ),
    ]),
  ).toBeUndefined();
  expect(
    learningDifference([
      learned(
        'float32',
        steps(60, () => 1),
      ),
      learned('mixed', [1]),
    ]),
  ).toBeUndefined();
});
