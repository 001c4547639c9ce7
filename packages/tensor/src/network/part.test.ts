import { expect, test } from 'vitest';
import { type PartParameter, putSlice, sliceOf } from './part.js';

const parameter = (shape: number[], slice?: PartParameter['slice']): PartParameter => ({
  name: 'weight',
  path: 'conv1.weight',
  shape,
  initial: { distribution: 'constant', value: 0 },
  decays: true,
  ...(slice && { slice }),
});

const whole = Float32Array.from({ length: 2 * 3 * 2 }, (_, index) => index);

test.each([
  { axis: 0, first: 1, shape: [1, 3, 2], expected: [6, 7, 8, 9, 10, 11] },
  { axis: 1, first: 1, shape: [2, 2, 2], expected: [2, 3, 4, 5, 8, 9, 10, 11] },
  { axis: 2, first: 0, shape: [2, 3, 1], expected: [0, 2, 4, 6, 8, 10] },
])('a slice along axis $axis is extracted and put back', ({ axis, first, shape, expected }) => {
  const cut = parameter(shape, { axis, first, wholeShape: [2, 3, 2] });
  const slice = sliceOf(whole, cut);
  expect([...slice]).toEqual(expected);
  const back = new Float32Array(whole.length).fill(-1);
  putSlice(back, cut, slice);
  expect([...back]).toEqual([...whole].map((value) => (expected.includes(value) ? value : -1)));
});

test('a parameter that is not divided is complete', () => {
  for (const one of [parameter([2, 3, 2]), undefined]) {
    expect(sliceOf(whole, one)).toBe(whole);
    const back = new Float32Array(whole.length);
    putSlice(back, one, whole);
    expect(back).toEqual(whole);
  }
});
