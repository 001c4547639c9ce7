import { ConfigError } from '@alex/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { symmetricEigen } from './eigen.js';
import { colourStatistics, meanImage } from './statistics.js';
import { splitOfImages } from './testing.js';

const colours = fc.array(fc.nat(255), { minLength: 2 * 3 * 3, maxLength: 2 * 3 * 3 });
const images = fc.array(colours, { minLength: 1, maxLength: 9 });

describe('meanImage', () => {
  test('is [channels, height, width], the mean of each value', async () => {
    await fc.assert(
      fc.asyncProperty(images, async (images) => {
        const mean = await meanImage(splitOfImages(images, [2, 3, 3]));
        for (let channel = 0; channel < 3; channel++) {
          for (let pixel = 0; pixel < 6; pixel++) {
            const wanted = images.reduce((sum, image) => sum + image[3 * pixel + channel]! / images.length, 0);
            expect(mean[channel * 6 + pixel]).toBeCloseTo(wanted, 10);
          }
        }
      }),
    );
  });

  test('covers more images than are read at a time', async () => {
    const many = Array.from({ length: 200 }, (_, i) => [i]);
    expect([...(await meanImage(splitOfImages(many, [1, 1, 1])))]).toEqual([99.5]);
  });

  test('with a limit samples images evenly over the split', async () => {
    const many = Array.from({ length: 200 }, (_, i) => [i]);
    expect([...(await meanImage(splitOfImages(many, [1, 1, 1]), { limit: 4 }))]).toEqual([75]);
  });

  test.each([0, -1, 1.5, Number.NaN])('refuses a limit of %d', async (limit) => {
    await expect(meanImage(splitOfImages([[1]], [1, 1, 1]), { limit })).rejects.toThrow(ConfigError);
  });
});

describe('colourStatistics', () => {
  test('agrees with mean and covariance computed in two passes', async () => {
    await fc.assert(
      fc.asyncProperty(images, async (images) => {
        const { mean, covariance } = await colourStatistics(splitOfImages(images, [2, 3, 3]));
        const pixels = images.flatMap((image) =>
          Array.from({ length: 6 }, (_, pixel) => image.slice(3 * pixel, 3 * pixel + 3)),
        );
        for (let a = 0; a < 3; a++) {
          const wanted = pixels.reduce((sum, pixel) => sum + pixel[a]!, 0) / pixels.length;
          expect(mean[a]).toBeCloseTo(wanted, 10);
          for (let b = 0; b < 3; b++) {
            const product = pixels.reduce((sum, pixel) => sum + (pixel[a]! - mean[a]!) * (pixel[b]! - mean[b]!), 0);
            expect(covariance[a]![b]).toBeCloseTo(product / pixels.length, 8);
          }
        }
      }),
    );
  });

  test('axes diagonalize the covariance and are ordered by variance', async () => {
    await fc.assert(
      fc.asyncProperty(images, async (images) => {
        const { covariance, axes, eigenvalues, standardDeviations } = await colourStatistics(
          splitOfImages(images, [2, 3, 3]),
        );
        expect([...eigenvalues].sort((a, b) => b - a)).toEqual([...eigenvalues]);
        for (let a = 0; a < 3; a++) {
          expect(standardDeviations[a]! ** 2).toBeCloseTo(eigenvalues[a]!, 8);
          for (let b = 0; b < 3; b++) {
            const rebuilt = axes.reduce((sum, axis, k) => sum + eigenvalues[k]! * axis[a]! * axis[b]!, 0);
            expect(rebuilt).toBeCloseTo(covariance[a]![b]!, 8);
          }
        }
      }),
    );
  });

  test('finds the one direction in which colours differ', async () => {
    // Pixel values only: all variance lies along (1, 1, 1) / sqrt(3), and is three times that of one channel.
    const greys = [0, 100, 200].map((grey) => [grey, grey, grey]);
    const { axes, eigenvalues, standardDeviations } = await colourStatistics(splitOfImages(greys, [1, 1, 3]));
    for (const component of axes[0]!) expect(component).toBeCloseTo(1 / Math.sqrt(3), 12);
    expect(eigenvalues[0]).toBeCloseTo((3 * 20_000) / 3, 8);
    expect(standardDeviations[1]).toBeCloseTo(0, 5);
    expect(standardDeviations[2]).toBeCloseTo(0, 5);
  });

  test('of grey images is one variance along one axis', async () => {
    const statistics = await colourStatistics(splitOfImages([[10], [30]], [1, 1, 1]));
    expect(statistics).toEqual({
      mean: [20],
      covariance: [[100]],
      axes: [[1]],
      eigenvalues: [100],
      standardDeviations: [10],
    });
  });
});

describe('symmetricEigen', () => {
  test('reproduces the published colour axes of ImageNet', () => {
    // cuda-convnet2's make-data: deviations 19.7208, 37.0939, 121.7801 along the columns of a rotation.
    const deviations = [19.7208, 37.0939, 121.7801];
    const columns = [
      [0.41795513, -0.71257945, -0.56351045],
      [-0.81698062, -0.02354167, -0.5761844],
      [0.39731118, 0.70119634, -0.59200296],
    ];
    const matrix = columns.map((rowA) =>
      columns.map((rowB) => deviations.reduce((sum, deviation, k) => sum + deviation ** 2 * rowA[k]! * rowB[k]!, 0)),
    );
    const { values, vectors } = symmetricEigen(matrix);
    [121.7801, 37.0939, 19.7208].forEach((deviation, k) => {
      expect(Math.sqrt(values[k]!)).toBeCloseTo(deviation, 3);
      const published = columns.map((row) => row[2 - k]!);
      const dot = vectors[k]!.reduce((sum, x, i) => sum + x * published[i]!, 0);
      expect(Math.abs(dot)).toBeCloseTo(1, 6);
    });
  });

  test('sorts a diagonal matrix, and stays finite for zeros', () => {
    const { values, vectors } = symmetricEigen([
      [1, 0, 0],
      [0, 3, 0],
      [0, 0, 2],
    ]);
    expect(values).toEqual([3, 2, 1]);
    expect(vectors).toEqual([
      [0, 1, 0],
      [0, 0, 1],
      [1, 0, 0],
    ]);
    expect(
      symmetricEigen([
        [0, 0],
        [0, 0],
      ]).values,
    ).toEqual([0, 0]);
  });
});
