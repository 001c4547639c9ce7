import { DataError } from '@alex/tensor';
import { describe, expect, it } from 'vitest';
import { historyOf, learningRateChanges, type Metric } from './metrics.js';

const line: Metric = { step: 1, epoch: 0.1, split: 'train', loss: 2, top1Error: 0.5, top5Error: 0.25 };

describe('historyOf', () => {
  it('separates the splits and sorts each by step', () => {
    const lines: Metric[] = [
      { ...line, step: 9 },
      { ...line, step: 4, split: 'val' },
      { ...line, step: 2 },
    ];
    const { train, val } = historyOf(lines);
    expect(train.map(({ step }) => step)).toEqual([2, 9]);
    expect(val.map(({ step }) => step)).toEqual([4]);
  });

  it('uses the later line of a step: the run was resumed from before it', () => {
    const { train } = historyOf([
      { ...line, loss: 7 },
      { ...line, step: 2 },
      { ...line, loss: 5 },
    ]);
    expect(train.map(({ step, loss }) => [step, loss])).toEqual([
      [1, 5],
      [2, 2],
    ]);
  });

  it.each<[string, Partial<Metric>, RegExp]>([
    ['a loss of NaN', { loss: Number.NaN }, /line 2 \(step 1\): loss must be a finite number, got NaN/],
    ['an infinite loss', { loss: Infinity }, /loss.*Infinity/],
    ['a missing loss (JSON has no NaN)', { loss: null as unknown as number }, /loss.*got null/],
    ['an error above 1', { top1Error: 46.1 }, /top1Error must be between 0 and 1, got 46.1/],
    ['an error of NaN', { top5Error: Number.NaN }, /top5Error/],
    ['half a step', { step: 1.5 }, /step must be an integer/],
    ['a negative step', { step: -1 }, /step must be an integer/],
    ['an epoch of NaN', { epoch: Number.NaN }, /epoch/],
    ['a learning rate of NaN', { learningRate: Number.NaN }, /learningRate/],
    ['an unknown split', { split: 'test' as 'val' }, /split must be 'train' or 'val', got test/],
  ])('refuses %s and names the line', (_, change, message) => {
    const refused = () => historyOf([line, { ...line, ...change }]);
    expect(refused).toThrow(DataError);
    expect(refused).toThrow(message);
  });
});

describe('learningRateChanges', () => {
  it('returns the first step of each new rate, except the first', () => {
    const rates = [0.1, 0.1, 0.01, 0.01, undefined, 0.01, 0.001, 0.01];
    const lines = rates.map((learningRate, step): Metric => ({ ...line, step, ...(learningRate && { learningRate }) }));
    expect(learningRateChanges(lines)).toEqual([
      { step: 2, learningRate: 0.01 },
      { step: 6, learningRate: 0.001 },
      { step: 7, learningRate: 0.01 },
    ]);
    expect(learningRateChanges([])).toEqual([]);
  });
});
