import { alexnet } from '@alex/model-alexnet';
import { ConfigError, type HostTensor, ShapeError } from '@alex/tensor';
import { randomTensor } from '@alex/tensor/testing';
import { describe, expect, it } from 'vitest';
import { colourfulness, colourfulnessOfFilters, colourMetrics, colourWeight } from './colourfulness.js';

/** A filter of 1 x 2 weights, each a colour. */
type Filter = readonly [one: readonly number[], other: readonly number[]];

function filtersOf(...filters: readonly Filter[]): HostTensor {
  const data = filters.flatMap(([one, other]) => [0, 1, 2].flatMap((colour) => [one[colour]!, other[colour]!]));
  return { shape: [filters.length, 3, 1, 2], data: Float32Array.from(data) };
}

const grey = [
  [1, 1, 1],
  [-2, -2, -2],
] as const;
const opponent = [
  [1, -1, 0],
  [-3, 0, 3],
] as const;
/** Red alone: a third of its energy is brightness. */
const red = [
  [1, 0, 0],
  [2, 0, 0],
] as const;
const nothing = [
  [0, 0, 0],
  [0, 0, 0],
] as const;

describe('colourfulness', () => {
  it('is 0 for brightness, 1 for opposite colours, 2/3 for a single colour and for noise', () => {
    const of = (...filters: readonly Filter[]) => colourfulness(filtersOf(...filters))[0];
    expect(of(grey)).toBe(0);
    expect(of(opponent)).toBe(1);
    expect(of(red)).toBeCloseTo(2 / 3, 12);
    expect(colourfulness(randomTensor([96, 3, 11, 11], 1))[0]).toBeCloseTo(2 / 3, 2);
  });

  it('weights all filters of a column equally, whatever their magnitude, and ignores filters of zeros', () => {
    const strong = [
      [-1000, 1000, 0],
      [0, 0, 0],
    ] as const;
    const columns = colourfulness(filtersOf(grey, strong, red, nothing), 2);
    expect(columns[0]).toBeCloseTo(1 / 2, 12);
    expect(columns[1]).toBeCloseTo(2 / 3, 12);
    expect(colourfulness(filtersOf(nothing))).toEqual([0]);
    const each = colourfulnessOfFilters(filtersOf(grey, opponent, nothing));
    expect(each).toEqual([0, 1, undefined]);
    expect(colourMetrics(filtersOf(grey, opponent), 2)).toEqual({ colourfulness1: 0, colourfulness2: 1 });
  });

  it('does not depend on the magnitude of weights, nor, up to rounding, on the order of colours', () => {
    const { shape, data } = randomTensor([8, 3, 5, 5], 2);
    const [own] = colourfulness({ shape, data });
    expect(colourfulness({ shape, data: data.map((value) => 2 ** -20 * value) })[0]).toBe(own);
    const turned = data.map((_, i) => data[Math.floor(i / 75) * 75 + ((i + 25) % 75)]!);
    expect(colourfulness({ shape, data: turned })[0]).toBeCloseTo(own!, 12);
  });

  it('refuses filters without colours', () => {
    expect(() => colourfulness(randomTensor([4, 1, 3, 3], 1))).toThrow(ShapeError);
    expect(() => colourfulness(randomTensor([4, 3], 1))).toThrow(
      /expects filters \[filters, 3, height, width\], got \[4, 3\]/,
    );
    expect(() => colourfulness(filtersOf(grey, red), 3)).toThrow(ConfigError);
    expect(() =>
      colourfulness(
        filtersOf([
          [1, 1, Number.NaN],
          [0, 0, 0],
        ]),
      ),
    ).toThrow(/filter 0 has a weight that is not finite/);
  });

  it('is measured if the first layer sees red, green and blue', () => {
    expect(colourWeight(alexnet())).toBe('conv1.weight');
    expect(colourWeight(alexnet({ variant: 'small', channels: 1 }))).toBeUndefined();
  });
});
