import { expect, it } from 'vitest';
import { differenceOf } from './network-difference.js';

it.each([
  ['torchvision', 'paper', 'conv1.weight is [64, 3, 11, 11] there and [96, 3, 11, 11] here'],
  ['caffe', 'caffenet', 'norm1 is layer 3 there, pool1 here'],
  ['paper', 'no-lrn', 'norm1 is layer 3 there, pool1 here'],
  ['caffe', 'paper', 'images are [3, 227, 227] there and [3, 224, 224] here'],
])('the first difference of %s and %s', (there, here, expected) => {
  expect(differenceOf(there, here)).toBe(expected);
});
