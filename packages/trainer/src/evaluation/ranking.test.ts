import { describe, expect, it } from 'vitest';
import { mostLikely, topError } from './ranking.js';

/** Enumerates all orders of equal values: what the formula computes. */
function byOrders(probabilities: number[], label: number, k: number): number {
  const orders = permutations(probabilities.map((_, index) => index)).filter((order) =>
    order.every((index, place) => place === 0 || probabilities[order[place - 1]!]! >= probabilities[index]!),
  );
  return orders.filter((order) => order.indexOf(label) >= k).length / orders.length;
}

function permutations(items: number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) => permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]));
}

describe('topError', () => {
  it.each([
    [[0.5, 0.3, 0.2], 1],
    [[0.3, 0.3, 0.3, 0.1], 1],
    [[0.2, 0.2, 0.2, 0.2, 0.2], 1],
    [[0.1, 0.1, 0.4, 0.1, 0.3], 2],
    [[0.25, 0.05, 0.25, 0.2, 0.25], 2],
    [[0, 0, 1, 0, 0], 3],
  ])('of %j in the top %i is the fraction of orders of equals that miss it', (probabilities, k) => {
    for (const label of probabilities.keys()) {
      expect(topError(probabilities, label, k)).toBeCloseTo(byOrders(probabilities, label, k), 12);
    }
  });

  it('is 0 for as many guesses as classes', () => {
    expect(topError([0.2, 0.2, 0.2, 0.2, 0.2], 3, 5)).toBe(0);
    expect(topError([1, 0], 1, 5)).toBe(0);
  });
});

describe('mostLikely', () => {
  it('returns the top of a sorted list, the first among equals', () => {
    let state = 1;
    const random = () => {
      state = (state * 48271) % 2147483647;
      return state % 10;
    };
    for (let length = 1; length < 20; length++) {
      const values = Array.from({ length }, random);
      const sorted = values.map((_, index) => index).sort((a, b) => values[b]! - values[a]! || a - b);
      expect(mostLikely(values, 5)).toEqual(sorted.slice(0, 5));
    }
  });
});
