import { ConfigError } from '@alex/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tenViews } from './views.js';

describe('tenViews', () => {
  it('gives the ten views of the paper: 224 x 224 of 256 x 256', () => {
    const upright = [
      { top: 0, left: 0, mirrored: false },
      { top: 0, left: 32, mirrored: false },
      { top: 32, left: 0, mirrored: false },
      { top: 32, left: 32, mirrored: false },
      { top: 16, left: 16, mirrored: false },
    ];
    expect(tenViews(256, 256, 224)).toEqual([...upright, ...upright.map((view) => ({ ...view, mirrored: true }))]);
  });

  it('keeps every view inside the image and touches every edge', () => {
    const size = fc.integer({ min: 1, max: 400 });
    fc.assert(
      fc.property(size, size, size, size, (height, width, marginDown, marginRight) => {
        const views = tenViews(height + marginDown, width + marginRight, [height, width]);
        expect(views).toHaveLength(10);
        expect(new Set(views.map((view) => view.top))).toEqual(new Set([0, marginDown, marginDown >> 1]));
        expect(new Set(views.map((view) => view.left))).toEqual(new Set([0, marginRight, marginRight >> 1]));
        expect(views.filter((view) => view.mirrored)).toHaveLength(5);
      }),
    );
  });

  it('is ten times the whole image if the crop is as large as the image', () => {
    const views = tenViews(5, 7, [5, 7]);
    expect(views.every(({ top, left }) => top === 0 && left === 0)).toBe(true);
  });

  it.each([
    [32, 32, 33, /33 x 33 does not fit an image of 32 x 32/],
    [32, 32, [8, 40] as const, /8 x 40/],
    [0, 32, 8, /height.*got 0/],
    [32, 32.5, 8, /width.*got 32.5/],
    [32, 32, Number.NaN, /cropHeight.*got NaN/],
    [32, 32, -1, /cropHeight.*got -1/],
  ])('refuses %s x %s with a crop of %s', (height, width, crop, message) => {
    expect(() => tenViews(height, width, crop)).toThrow(ConfigError);
    expect(() => tenViews(height, width, crop)).toThrow(message);
  });
});
