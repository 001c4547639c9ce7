import { expect, test } from 'vitest';
import { directionOf } from './directions.js';

test.each([
  ['conv2/forward', 'forward'],
  ['conv2/packWeights/filters', 'forward'],
  ['conv2/packWeights/channels', 'inputGradient'],
  ['conv2/inputGradient/products', 'inputGradient'],
  ['conv2/weightGradient/sum', 'weightGradient'],
  ['conv2/biasGradient', undefined],
  ['conv2/forwarded', undefined],
  ['conv22/forward', undefined],
  ['sgd/conv2.weight', undefined],
])('%s belongs to %s', (label, direction) => {
  expect(directionOf(label, 'conv2')).toBe(direction);
});
