import type { Metrics } from '@alex/trainer';
import { describe, expect, it } from 'vitest';
import { epochsTo, errorsByEpoch } from './curve.js';

function lineOf(step: number, top1Error: number, split: 'train' | 'val' = 'train'): Metrics {
  return { step, epoch: step / 2, split, loss: 1, top1Error, top5Error: 0, learningRate: 0.001, imagesPerSecond: 1 };
}

describe('errorsByEpoch', () => {
  it('takes the mean over the steps of each whole epoch', () => {
    const steps = [0.9, 0.8, 0.5, 0.4, 0.1].map((error, index) => lineOf(index + 1, error));
    expect(errorsByEpoch(steps, 2)).toEqual([(0.9 + 0.8) / 2, (0.5 + 0.4) / 2]);
  });

  it('ignores validations', () => {
    const lines = [lineOf(1, 0.8), lineOf(1, 0, 'val'), lineOf(2, 0.6)];
    expect(errorsByEpoch(lines, 2)).toEqual([(0.8 + 0.6) / 2]);
  });

  it('ignores an incomplete epoch', () => {
    expect(errorsByEpoch([lineOf(1, 0.8)], 2)).toEqual([]);
  });
});

describe('epochsTo', () => {
  it('lies on the straight line between the middles of two epochs', () => {
    // 35% at 1.5, 15% at 2.5.
    expect(epochsTo([0.6, 0.35, 0.15], 0.25)).toBeCloseTo(2, 12);
    expect(epochsTo([0.6, 0.35, 0.15], 0.3)).toBeCloseTo(1.75, 12);
  });

  it('finds every crossing of a curve that is a straight line', () => {
    const line = (epoch: number) => 0.9 - 0.05 * epoch;
    const errors = Array.from({ length: 15 }, (_, epoch) => line(epoch + 0.5));
    for (const epoch of [0.2, 0.5, 3.9, 7, 11.31]) expect(epochsTo(errors, line(epoch))).toBeCloseTo(epoch, 10);
  });

  it('takes the first crossing of a curve that rises again', () => {
    expect(epochsTo([0.5, 0.25, 0.4, 0.1])).toBe(1.5);
  });

  it('starts at the error of guessing if the first epoch is already below', () => {
    expect(epochsTo([0.25])).toBeCloseTo(0.5, 12);
    expect(epochsTo([0.1], 0.5)).toBeCloseTo(0.25, 12);
  });

  it('is undefined if the curve does not reach the error', () => {
    expect(epochsTo([0.5, 0.3])).toBeUndefined();
    expect(epochsTo([])).toBeUndefined();
  });
});
