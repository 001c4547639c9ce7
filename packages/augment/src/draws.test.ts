import { describe, expect, it } from 'vitest';
import { drawColourShift, drawView } from './draws.js';
import { imagenetColour, type Plan } from './options.js';

const count = 100_000;

const { standardDeviations, axes } = imagenetColour;

const plan: Plan = {
  batch: 1,
  height: 40,
  width: 36,
  channels: 3,
  cropHeight: 33,
  cropWidth: 32,
  padding: 2,
  scale: 1,
  mean: new Float32Array(3),
  meanAt: 'channel',
  randomCrop: true,
  mirror: true,
  chunk: 1,
  colour: { standardDeviations, axes, strength: 0.1 },
  centre: { top: 3, left: 2, mirrored: false },
};

/** Sum over the bins of (observed - expected)^2 / expected, for bins of equal chance. */
function chiSquare(values: readonly number[], bins: number): number {
  const observed = new Array<number>(bins).fill(0);
  for (const value of values) observed[value]!++;
  const expected = values.length / bins;
  return observed.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
}

describe('10^5 draws', () => {
  // Even epochs, odd images: a fault in how either is used would show.
  const views = Array.from({ length: count }, (_, i) => drawView(plan, 7, i % 10, Math.floor(i / 10)));

  // Critical values of chi-square at a significance of 0.1%: the seeds are fixed, so this fails always or never.
  it('hit every offset with equal probability, borders included', () => {
    expect(
      chiSquare(
        views.map((view) => view.top + 2),
        12,
      ),
    ).toBeLessThan(31.26);
    expect(
      chiSquare(
        views.map((view) => view.left + 2),
        9,
      ),
    ).toBeLessThan(26.12);
    expect(Math.min(...views.map((view) => view.top))).toBe(-2);
    expect(Math.max(...views.map((view) => view.top))).toBe(40 + 2 - 33);
    expect(Math.min(...views.map((view) => view.left))).toBe(-2);
    expect(Math.max(...views.map((view) => view.left))).toBe(36 + 2 - 32);
  });

  it('lie down and across independently of each other and of the flip', () => {
    // 12 * 9 * 2 cells, 215 degrees of freedom, 0.1%.
    const cells = views.map((view) => ((view.top + 2) * 9 + view.left + 2) * 2 + Number(view.mirrored));
    expect(chiSquare(cells, 216)).toBeLessThan(284.2);
  });

  it('are mirrored half of the time', () => {
    const mirrored = views.filter((view) => view.mirrored).length;
    // Four deviations of a binomial with p = 1/2.
    expect(Math.abs(mirrored - count / 2)).toBeLessThan(4 * Math.sqrt(count / 4));
  });

  // The paper's 224 x 224 of 256 x 256, and cuda-convnet's 24 x 24 of CIFAR-10's 32 x 32 with a border of 4 around.
  it.each([
    // 1089 cells, 1088 degrees of freedom, and 33 cells, 32; then 289 and 17; at 0.1%.
    { side: 256, crop: 224, padding: 0, offsets: 33, ofCells: 1236, ofOffsets: 62.5 },
    { side: 32, crop: 24, padding: 4, offsets: 17, ofCells: 366, ofOffsets: 39.3 },
  ])('hit all $offsets x $offsets positions with equal probability', (given) => {
    const { side, crop, padding, offsets, ofCells, ofOffsets } = given;
    const square: Plan = { ...plan, height: side, width: side, cropHeight: crop, cropWidth: crop, padding };
    const drawn = Array.from({ length: count }, (_, i) => drawView(square, 2012, i % 10, Math.floor(i / 10)));
    const tops = drawn.map((view) => view.top + padding);
    const lefts = drawn.map((view) => view.left + padding);
    expect(chiSquare(tops, offsets)).toBeLessThan(ofOffsets);
    expect(chiSquare(lefts, offsets)).toBeLessThan(ofOffsets);
    const cells = tops.map((top, i) => top * offsets + lefts[i]!);
    expect(chiSquare(cells, offsets ** 2)).toBeLessThan(ofCells);
    expect([Math.min(...tops), Math.max(...tops)]).toEqual([0, offsets - 1]);
  });

  it('shift colours by 0 on average, with a hundredth of the covariance of the pixels', () => {
    const shifts = Array.from({ length: count }, (_, i) => drawColourShift(plan, 7, i % 10, Math.floor(i / 10)));
    for (const a of [0, 1, 2] as const) {
      for (const b of [0, 1, 2] as const) {
        const covariance = (i: number, j: number): number =>
          [0, 1, 2].reduce((sum, k) => sum + 0.01 * axes[k]![i]! * standardDeviations[k]! ** 2 * axes[k]![j]!, 0);
        const wanted = covariance(a, b);
        // The variance of a product of two jointly normal variables (Isserlis).
        const deviation = Math.sqrt((covariance(a, a) * covariance(b, b) + wanted ** 2) / count);
        const got = shifts.reduce((sum, shift) => sum + shift[a] * shift[b], 0) / count;
        expect(Math.abs(got - wanted)).toBeLessThan(4 * deviation);
      }
      const mean = shifts.reduce((sum, shift) => sum + shift[a], 0) / count;
      const deviation = Math.sqrt(shifts.reduce((sum, shift) => sum + shift[a] ** 2, 0)) / count;
      expect(Math.abs(mean)).toBeLessThan(4 * deviation);
    }
  });

  it('differ between seeds, epochs and images', () => {
    const same = (other: (i: number) => readonly [seed: number, epoch: number, image: number]): number =>
      Array.from({ length: 1000 }, (_, i) => i).filter(
        (i) => drawView(plan, ...other(i)).top === drawView(plan, 7, 3, i).top,
      ).length;
    expect(same((i) => [7, 3, i])).toBe(1000);
    // One of 12 offsets agrees by chance: 83 of 1000, with a deviation of 8.8.
    for (const other of [
      (i: number) => [8, 3, i] as const,
      (i: number) => [7, 4, i] as const,
      (i: number) => [7, 3, i + 1] as const,
    ]) {
      expect(same(other)).toBeGreaterThan(83 - 36);
      expect(same(other)).toBeLessThan(83 + 36);
    }
  });

  it('do not depend on other options', () => {
    const onlyCrops: Plan = { ...plan, mirror: false, colour: undefined };
    for (let image = 0; image < 100; image++) {
      const view = drawView(plan, 1, 2, image);
      expect(drawView(onlyCrops, 1, 2, image)).toEqual({ ...view, mirrored: false });
      expect(drawView({ ...plan, randomCrop: false }, 1, 2, image)).toEqual({
        top: 3,
        left: 2,
        mirrored: view.mirrored,
      });
      expect(drawColourShift(onlyCrops, 1, 2, image)).toEqual([0, 0, 0]);
      expect(drawColourShift(onlyCrops, 1, 2, image, 1)).toEqual([0, 0, 0]);
      const shift = drawColourShift(plan, 1, 2, image);
      drawColourShift(plan, 1, 2, image, 0.2).forEach((value, channel) => {
        expect(value).toBeCloseTo(2 * shift[channel]!, 9);
      });
    }
  });
});
