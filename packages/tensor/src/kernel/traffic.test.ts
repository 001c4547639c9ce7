import { expect, it } from 'vitest';
import { describeTensor } from './tensor.js';
import { trafficOf } from './traffic.js';

const [large, other, half] = [
  describeTensor('large', [1000]),
  describeTensor('other', [10]),
  describeTensor('half', [7], { dataType: 'f16' }),
];

it('counts each tensor once if it is read, under any names, and once if it is written', () => {
  const dispatch = { reads: { a: large, b: large, c: half }, writes: { d: other }, wgsl: 'store_d(0u, load_a(0u));' };
  // Seven halves fill four words.
  expect(trafficOf(dispatch)).toEqual({ read: 4000 + 16, written: 40 });
});

it.each(['load_x(i)', 'load4_x(i)', 'raw4_x(i)'])('counts an updated tensor twice: %s', (load) => {
  const wgsl = `store_x(i, ${load} + load_xy(i));`;
  expect(trafficOf({ reads: { xy: other }, writes: { x: large }, wgsl })).toEqual({ read: 4040, written: 4000 });
});

it('does not take a longer name for a shorter one', () => {
  const wgsl = 'store_x(i, load_x1(i));';
  expect(trafficOf({ reads: { x1: other }, writes: { x: large }, wgsl })).toEqual({ read: 40, written: 4000 });
});

it('counts only the bytes of a range', () => {
  const range = { of: 1000, first: 500, elements: 250 };
  const wgsl = 'store_x(i, load_y(0u));';
  expect(trafficOf({ reads: { y: other }, writes: { x: large }, range, wgsl })).toEqual({ read: 40, written: 1000 });
});
