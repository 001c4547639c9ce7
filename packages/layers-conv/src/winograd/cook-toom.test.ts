import { expect, it } from 'vitest';
import { cookToom, type Matrix } from './cook-toom.js';

const apply = (matrix: Matrix, vector: readonly number[]) =>
  matrix.map((row) => row.reduce((sum, entry, index) => sum + entry * vector[index]!, 0));

it.each([2, 3, 4, 5, 6])('F(%i, 3) is a correlation', (m) => {
  const { size, input, weights, output } = cookToom(m, 3);
  expect(size).toBe(m + 2);
  const values = Array.from({ length: size }, (_, index) => ((index * 7919) % 13) - 6);
  const kernel = [3, -5, 2];
  const products = apply(weights, kernel).map((value, point) => value * apply(input, values)[point]!);
  const correlation = Array.from({ length: m }, (_, at) =>
    kernel.reduce((sum, weight, index) => sum + weight * values[at + index]!, 0),
  );
  apply(output, products).forEach((value, index) => {
    expect(value).toBeCloseTo(correlation[index]!, 10);
  });
});

it('F(2, 3) has the published matrices (Lavin and Gray 2015, equation 7), except for signs that cancel', () => {
  const { input, weights, output } = cookToom(2, 3);
  const unsigned = (matrix: Matrix) => matrix.map((row) => row.map((entry) => Math.abs(entry)));
  expect(unsigned(input)).toEqual([
    [1, 0, 1, 0],
    [0, 1, 1, 0],
    [0, 1, 1, 0],
    [0, 1, 0, 1],
  ]);
  expect(unsigned(weights)).toEqual([
    [1, 0, 0],
    [0.5, 0.5, 0.5],
    [0.5, 0.5, 0.5],
    [0, 0, 1],
  ]);
  expect(unsigned(output)).toEqual([
    [1, 1, 1, 0],
    [0, 1, 1, 1],
  ]);
});

it('F(4, 3) at the published points has the published matrices (Lavin and Gray 2015, section 4.2), except for signs', () => {
  const { input, output } = cookToom(4, 3, [0, 1, -1, 2, -2]);
  const unsigned = (matrix: Matrix) => matrix.map((row) => row.map((entry) => Math.abs(entry)));
  expect(unsigned(input)).toEqual([
    [4, 0, 5, 0, 1, 0],
    [0, 4, 4, 1, 1, 0],
    [0, 4, 4, 1, 1, 0],
    [0, 2, 1, 2, 1, 0],
    [0, 2, 1, 2, 1, 0],
    [0, 4, 0, 5, 0, 1],
  ]);
  expect(output).toEqual([
    [1, 1, 1, 1, 1, 0],
    [0, 1, -1, 2, -2, 0],
    [0, 1, 1, 4, 4, 0],
    [0, 1, -1, 8, -8, 1],
  ]);
});

it('says how many points are missing', () => {
  expect(() => cookToom(4, 3, [0, 1, -1])).toThrow(/needs 5 points, got 3/);
});
