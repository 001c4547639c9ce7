import { describe, expect, it } from 'vitest';
import type { Curve } from './curve.js';
import { bestOf, nextRate, ranked } from './search.js';
import { fallingCurve } from './testing.js';

/** Searches where the error depends on the distance from the best rate, in factors of two; above `limit`, runs diverge. */
function searched(best: number, limit = Number.POSITIVE_INFINITY): Curve[] {
  const tried: Curve[] = [];
  for (let rate = nextRate(tried); rate !== undefined; rate = nextRate(tried)) {
    const share = 0.3 / (1 + Math.abs(Math.log2(rate / best)));
    tried.push(
      rate > limit
        ? fallingCurve('tanh', { learningRate: rate, epochs: 0, divergedAt: 7 })
        : fallingCurve('tanh', { learningRate: rate, epochs: 3, share }),
    );
  }
  return tried;
}

const rates = (curves: readonly Curve[]) => curves.map(({ learningRate }) => learningRate);

describe('nextRate', () => {
  it('starts with the rate of the published files', () => {
    expect(nextRate([])).toBe(0.001);
  });

  it('tries a neighbour on either side if the first rate is the best', () => {
    expect(rates(searched(0.001))).toEqual([0.001, 0.002, 0.0005]);
  });

  it.each([0.00025, 0.0005, 0.004, 0.016])('walks to the best rate, %f, and one beyond it', (best) => {
    const tried = searched(best);
    expect(ranked(tried)[0]!.learningRate).toBe(best);
    expect(rates(tried)).toEqual(expect.arrayContaining([best / 2, best, 2 * best]));
    expect(new Set(rates(tried)).size).toBe(tried.length);
  });

  it('takes a rate that diverged for a worse neighbour', () => {
    const tried = searched(0.008, 0.003);
    expect(ranked(tried)[0]!.learningRate).toBe(0.002);
    expect(rates(tried)).toEqual([0.001, 0.002, 0.004]);
  });

  it('waits for a run that has not come far enough to be compared', () => {
    expect(nextRate([fallingCurve('tanh', { epochs: 2 })])).toBe(0.001);
  });
});

describe('bestOf', () => {
  it('is the rate that reaches the target first, whatever its error after a few epochs', () => {
    const quickStart = fallingCurve('relu', { learningRate: 0.002, epochs: 3, share: 0.3 });
    const [slow, fast] = [
      { ...quickStart, errors: [0.5, 0.4, 0.35, 0.34, 0.33, 0.2] },
      { ...quickStart, learningRate: 0.001, errors: [0.7, 0.5, 0.4, 0.2] },
    ];
    expect(ranked([slow, fast])[0]).toBe(slow);
    expect(bestOf([slow, fast])).toBe(fast);
  });

  it('is the rate with the lowest error after the search, if none has reached the target', () => {
    const better = fallingCurve('relu', { learningRate: 0.002, epochs: 3, share: 0.2 });
    expect(bestOf([fallingCurve('relu', { epochs: 3 }), better])).toBe(better);
  });
});
