import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHalves, toHalves } from './half.js';

/** Every finite half, in order. */
const finite = Array.from(fromHalves(Uint16Array.from({ length: 0x7c00 }, (_, bits) => bits)));

describe('halves', () => {
  test('known bits', () => {
    const known: [number, number][] = [
      [0, 0x0000],
      [-0, 0x8000],
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [2 ** -14, 0x0400],
      [2 ** -24, 0x0001],
      [1 / 3, 0x3555],
      [Number.POSITIVE_INFINITY, 0x7c00],
      [Number.NEGATIVE_INFINITY, 0xfc00],
    ];
    expect([...toHalves(known.map(([value]) => value))]).toEqual(known.map(([, bits]) => bits));
    expect([...fromHalves(Uint16Array.from(known, ([, bits]) => bits))]).toEqual(
      known.map(([value]) => (value === 1 / 3 ? 0.333251953125 : value)),
    );
    expect(fromHalves(toHalves([Number.NaN]))[0]).toBeNaN();
  });

  test('every half survives a round trip bit for bit', () => {
    const bits = Uint16Array.from({ length: 0x10000 }, (_, index) => index).filter(
      (half) => (half & 0x7c00) !== 0x7c00,
    );
    expect(toHalves(fromHalves(bits))).toEqual(bits);
  });

  test('a number becomes the nearest half, ties to even', () => {
    const magnitude = fc.oneof(
      fc.double({ min: 0, max: 65519, noNaN: true }),
      fc.double({ min: 0, max: 1e-3, noNaN: true }),
    );
    fc.assert(
      fc.property(magnitude, (drawn) => {
        const value = Math.fround(drawn);
        if (value >= 65520) return;
        const [bits] = toHalves([value]) as unknown as [number];
        const neighbours = [bits - 1, bits, bits + 1].filter((half) => half >= 0 && half < finite.length);
        const distances = neighbours.map((half) => Math.abs(finite[half]! - value));
        const own = distances[neighbours.indexOf(bits)]!;
        expect(own).toBe(Math.min(...distances));
        if (distances.filter((distance) => distance === own).length > 1) expect(bits % 2).toBe(0);
      }),
      { numRuns: 5000 },
    );
    expect(finite[toHalves([1 + 2 ** -11])[0]!]).toBe(1);
    expect(finite[toHalves([1 + 3 * 2 ** -11])[0]!]).toBe(1 + 2 ** -9);
  });

  test('too large values become infinite, and an odd number of halves is padded with a zero', () => {
    expect([...toHalves([65519.99, 65520, -1e30])]).toEqual([0x7bff, 0x7c00, 0xfc00, 0]);
  });
});
