import { describe, expect, it } from 'vitest';
import { compare, spreadOf } from './compare.js';
import { type Curve, epochsTo } from './curve.js';
import { fallingCurve } from './testing.js';

/** A straight line that reaches 25% after this many epochs. */
function arriving(activation: 'relu' | 'tanh', epochs: number, options: { seed?: number; learningRate?: number } = {}) {
  const slope = (0.9 - 0.25) / epochs;
  const errors = Array.from({ length: Math.ceil(epochs + 0.5) }, (_, epoch) => 0.9 - slope * (epoch + 0.5));
  return { ...fallingCurve(activation, options), errors } satisfies Curve;
}

describe('compare', () => {
  it('divides iterations to 25% of the same seeds, with mean and spread', () => {
    const [relu, tanh] = compare(
      [
        ...[arriving('relu', 5), arriving('relu', 6, { seed: 2 }), arriving('relu', 4, { seed: 3 })],
        ...[arriving('tanh', 30), arriving('tanh', 30, { seed: 2 })],
      ],
      ['relu', 'tanh'],
    );
    expect(relu!.iterations!.mean).toBeCloseTo(5 * 390, 6);
    expect(relu!.iterations!.least).toBeCloseTo(4 * 390, 6);
    expect(relu!.iterations!.most).toBeCloseTo(6 * 390, 6);
    expect(relu!.ratio).toBeUndefined();
    expect(tanh!.ratio!.mean).toBeCloseTo((30 / 5 + 30 / 6) / 2, 6);
    expect(tanh!.ratio!.least).toBeCloseTo(5, 6);
    expect(tanh!.ratio!.most).toBeCloseTo(6, 6);
  });

  it('compares each activation at its best rate', () => {
    const rows = compare(
      [arriving('relu', 8), arriving('relu', 5, { learningRate: 0.002 }), arriving('tanh', 30)],
      ['relu', 'tanh'],
    );
    expect(rows.map(({ learningRate }) => learningRate)).toEqual([0.002, 0.001]);
    expect(rows[1]!.ratio!.mean).toBeCloseTo(6, 6);
  });

  it('gives a lower bound for a run that has not reached the target', () => {
    const [, tanh] = compare(
      [arriving('relu', 5), fallingCurve('tanh', { epochs: 20, share: 0.02 })],
      ['relu', 'tanh'],
    );
    expect(tanh!.ratio).toBeUndefined();
    expect(tanh!.ratioAbove).toBeCloseTo(19.5 / 5, 6);
    expect(tanh!.arrivals).toEqual([{ seed: 1, trained: 20, error: 0.9 * 0.98 ** 20 }]);
  });

  it('omits seeds that ReLU does not have, and activations without a run', () => {
    const rows = compare([arriving('relu', 5), arriving('tanh', 30, { seed: 2 })], ['relu', 'tanh', 'logistic']);
    expect(rows.map(({ activation }) => activation)).toEqual(['relu']);
  });

  it('says whether the search is over', () => {
    const curve = arriving('relu', 5);
    const [alone] = compare([curve], ['relu']);
    expect(alone!.searched).toBe(false);
    const neighbours = [0.0005, 0.002].map((learningRate) =>
      fallingCurve('relu', { learningRate, epochs: 3, share: 0.01 }),
    );
    expect(compare([curve, ...neighbours], ['relu'])[0]!.searched).toBe(true);
  });
});

describe('spreadOf', () => {
  it('is mean, least and most', () => {
    expect(spreadOf([3, 1, 5])).toEqual({ mean: 3, least: 1, most: 5 });
    expect(spreadOf([])).toBeUndefined();
  });
});

describe('the curves of these tests', () => {
  it('reach the target at the given epochs', () => {
    for (const epochs of [4, 5, 6, 8, 30]) expect(epochsTo(arriving('relu', epochs).errors)).toBeCloseTo(epochs, 9);
  });
});
