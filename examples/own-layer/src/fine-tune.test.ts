import { testGpu } from '@alex/tensor/testing';
import { expect, it } from 'vitest';
import { featuresOf, fineTune, trainWithAdam } from './fine-tune.js';
import { gratings } from './gratings.js';

it('trains with Adam, computes features, and fine-tunes only the last layer', async () => {
  const gpu = await testGpu();
  const weights = await trainWithAdam(gpu, 25);
  const { images, labels } = gratings(24, 5);
  const { shape, data } = await featuresOf(gpu, weights, images);
  expect(shape).toEqual([24, 8, 2, 2]);
  // The nearest image is mostly of the same class; by chance it would be one time in four.
  const distance = (a: number, b: number) =>
    Math.hypot(...Array.from({ length: 32 }, (_, i) => data[a * 32 + i]! - data[b * 32 + i]!));
  const alike = labels.filter((label, image) => {
    const others = [...labels.keys()].filter((other) => other !== image);
    const nearest = others.reduce((best, other) => (distance(image, other) < distance(image, best) ? other : best));
    return labels[nearest] === label;
  });
  expect(alike.length).toBeGreaterThanOrEqual(18);
  const tuned = await fineTune(gpu, weights, 3);
  for (const name of ['conv1.weight', 'conv1.bias', 'norm1.weight', 'norm1.bias']) {
    expect(tuned[name], name).toEqual(weights[name]);
  }
  expect(tuned['fc2.weight']).not.toEqual(weights['fc2.weight']);
});
