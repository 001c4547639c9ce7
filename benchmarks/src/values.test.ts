import { expect, test } from 'vitest';
import { noise, partsOf, permuted } from './values.js';

test('noise is uniform, reproducible, and different for each seed', () => {
  const values = noise(10_000, 2);
  expect(values).toEqual(noise(10_000, 2));
  expect(values).not.toEqual(noise(10_000, 2, 2));
  expect(Math.max(...values)).toBeLessThanOrEqual(2);
  expect(Math.min(...values)).toBeGreaterThanOrEqual(-2);
  expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0, 1);
  expect(values.reduce((sum, value) => sum + value ** 2, 0) / values.length).toBeCloseTo(4 / 3, 1);
});

test('swaps axes, and swaps them back', () => {
  const values = Float32Array.from({ length: 24 }, (_, index) => index);
  const other = permuted(values, [2, 3, 4], [2, 0, 1]);
  // [c][a][b] of the value at [a][b][c].
  expect(other[3 * 6 + 1 * 3 + 2]).toBe(1 * 12 + 2 * 4 + 3);
  expect(permuted(other, [4, 2, 3], [1, 2, 0])).toEqual(values);
  expect([...permuted(values.slice(0, 6), [2, 3], [1, 0])]).toEqual([0, 3, 1, 4, 2, 5]);
});

test('parts share the first axis', () => {
  const parts = partsOf({ shape: [4, 2], data: Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7) }, 2);
  expect(parts).toEqual([
    { shape: [2, 2], data: Float32Array.of(0, 1, 2, 3) },
    { shape: [2, 2], data: Float32Array.of(4, 5, 6, 7) },
  ]);
});
