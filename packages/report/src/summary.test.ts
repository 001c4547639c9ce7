import { expect, it } from 'vitest';
import type { Metric } from './metrics.js';
import { summarize } from './summary.js';

const line = (step: number, split: Metric['split'], top1Error: number, imagesPerSecond?: number): Metric => ({
  ...{ step, epoch: step / 10, split, loss: 1, top1Error, top5Error: 0 },
  ...(imagesPerSecond !== undefined && { imagesPerSecond }),
});

it('finds the last step, the best evaluation (the earlier one if two are equal), the last one, and the median speeds', () => {
  const metrics = [
    ...[line(1, 'train', 0.9, 7), line(2, 'train', 0.8, 100), line(3, 'train', 0.7, 50)],
    ...[line(1, 'val', 0.5, 9), line(2, 'val', 0.25, 3), line(3, 'val', 0.25, 4)],
  ];
  const summary = summarize(metrics.toReversed());
  expect(summary).toMatchObject({ last: { step: 3 }, best: { step: 2 }, lastEvaluation: { step: 3, split: 'val' } });
  expect([summary.trainingSpeed, summary.evaluationSpeed]).toEqual([50, 4]);
});

it('omits figures that a run has not reached', () => {
  expect(summarize([])).toEqual({});
  expect(summarize([line(1, 'train', 1)])).toEqual({ last: line(1, 'train', 1) });
});
