import { expect, test } from 'vitest';
import { drawnClasses, drawnImages } from './drawn-images.js';

test('an image is the same at every position in a batch, and different from all others', () => {
  const { images, labels } = drawnImages(0, 2 * drawnClasses, 16);
  expect(labels).toEqual([...Array(2 * drawnClasses).keys()].map((image) => image % drawnClasses));
  const length = 3 * 16 * 16;
  const [last] = [drawnImages(2 * drawnClasses - 1, 1, 16)];
  expect(images.data.slice(-length)).toEqual(last.images.data);
  expect(images.data.slice(0, length)).not.toEqual(
    images.data.slice(drawnClasses * length, (drawnClasses + 1) * length),
  );
});

test('values are spread around 0', () => {
  const { data } = drawnImages(0, 100, 16).images;
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  expect(Math.abs(mean)).toBeLessThan(0.02);
  expect(Math.max(...data)).toBeLessThanOrEqual(2);
  expect(Math.max(...data)).toBeGreaterThan(1.8);
});
