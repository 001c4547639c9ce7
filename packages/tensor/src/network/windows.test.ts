import { describe, expect, it } from 'vitest';
import { ConfigError } from '../errors.js';
import { outputSize, type Padding, type Pair, paddingOf, pair } from './windows.js';

describe('pair', () => {
  it('applies one number to both axes and keeps [height, width]', () => {
    expect(pair('conv1', 'kernel', 11)).toEqual([11, 11]);
    expect(pair('conv1', 'kernel', [3, 5])).toEqual([3, 5]);
    expect(pair('conv1', 'padding', 0, 0)).toEqual([0, 0]);
  });

  it.each([
    0,
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    [3],
    [3, 3, 3],
    [3, 0],
    [3, Number.NaN],
    '3',
    null,
    undefined,
    {},
  ])('refuses %j and names layer, option and value', (value) => {
    const parse = () => pair('conv1', 'stride', value as Pair);
    expect(parse).toThrow(ConfigError);
    expect(parse).toThrow(/conv1: stride must be a whole number of at least 1.*got /);
  });

  it('shows NaN as NaN', () => {
    expect(() => pair('conv1', 'stride', [2, Number.NaN])).toThrow(/got \[2,NaN\]/);
  });
});

describe('paddingOf', () => {
  it('reads a number, [height, width] and four sides', () => {
    expect(paddingOf('pool1', 2)).toEqual({ top: 2, left: 2, bottom: 2, right: 2 });
    expect(paddingOf('pool1', [1, 2])).toEqual({ top: 1, left: 2, bottom: 1, right: 2 });
    expect(paddingOf('pool1', { top: 0, left: 1, bottom: 2, right: 3 })).toEqual({
      top: 0,
      left: 1,
      bottom: 2,
      right: 3,
    });
  });

  it.each([-1, 0.5, Number.NaN, [1, -1], { top: 1 }, { top: 0, left: 0, bottom: 0, right: -1 }, null, '1'])(
    'refuses %j',
    (value) => {
      const parse = () => paddingOf('pool1', value as Pair | Padding);
      expect(parse).toThrow(ConfigError);
      expect(parse).toThrow(/pool1: padding must be/);
    },
  );
});

describe('outputSize', () => {
  it('gives the sizes of AlexNet: 227 to 55 to 27 to 13 to 6', () => {
    expect(outputSize(227, 11, 4, 0, 0)).toBe(55);
    expect(outputSize(55, 3, 2, 0, 0)).toBe(27);
    expect(outputSize(27, 5, 1, 2, 2)).toBe(27);
    expect(outputSize(27, 3, 2, 0, 0)).toBe(13);
    expect(outputSize(13, 3, 2, 0, 0)).toBe(6);
  });

  it('lets the last window overhang with ceil, as the 2012 code does at 224 and in its networks for CIFAR-10', () => {
    expect(outputSize(224, 11, 4, 0, 0)).toBe(54);
    expect(outputSize(224, 11, 4, 0, 0, 'ceil')).toBe(55);
    expect([32, 16, 8].map((input) => outputSize(input, 3, 2, 0, 0, 'ceil'))).toEqual([16, 8, 4]);
  });

  it('agrees with a window moved along the axis step by step', () => {
    for (let input = 1; input <= 9; input++) {
      for (let size = 1; size <= 5; size++) {
        for (let stride = 1; stride <= 4; stride++) {
          for (let before = 0; before < size; before++) {
            for (let after = 0; after < size; after++) {
              const starts = Array.from({ length: 20 }, (_, window) => window * stride - before);
              const whole = starts.filter((start) => start + size <= input + after);
              expect(outputSize(input, size, stride, before, after)).toBe(whole.length);
              // One more than the whole windows, if something is left over and the window still begins inside.
              const next = starts[whole.length]!;
              const leftOver = whole.length === 0 || starts[whole.length - 1]! + size < input + after;
              const overhangs = leftOver && next < input && next + size - stride < input + after;
              expect(outputSize(input, size, stride, before, after, 'ceil')).toBe(whole.length + (overhangs ? 1 : 0));
            }
          }
        }
      }
    }
  });

  it('is 0 if no window fits', () => {
    expect(outputSize(2, 3, 1, 0, 0)).toBe(0);
    expect(outputSize(2, 9, 1, 1, 1, 'ceil')).toBe(0);
  });
});
