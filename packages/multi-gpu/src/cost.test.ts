import { expect, test } from 'vitest';
import { imagesByRate } from './cost.js';

test.each([
  [8, [1, 1], [4, 4]],
  [5, [1, 1], [3, 2]],
  [8, [1000, 1], [7, 1]],
  [8, [1, 1000], [1, 7]],
  [3, [1, 1000, 1], [1, 1, 1]],
  [9, [1, 1000, 1], [1, 7, 1]],
])('%i images divided by the rates %j: %j', (batch, given, expected) => {
  expect(imagesByRate(batch, given)).toEqual(expected);
});
