import { testGpu } from '@alex/tensor/testing';
import { expect, test } from 'vitest';
import {
  dropoutMasks,
  hiddenUnits,
  initialParameters,
  oneHotLabels,
  paddedImages,
  paperNetwork,
  stepImages,
} from './paper.js';

const step = { kind: 'step', batch: 2, inputSize: 69, classes: 10, normalization: true } as const;

test('images are padded with zeros on the right and at the bottom, up to the last window of conv1', () => {
  const whole = stepImages(step);
  const { shape, data } = paddedImages(step);
  expect(shape).toEqual([2, 3, 71, 71]);
  const pixel = (image: number, map: number, y: number, x: number) => data[((image * 3 + map) * 71 + y) * 71 + x];
  expect(pixel(1, 2, 68, 67)).toBe(whole.data[((1 * 3 + 2) * 69 + 68) * 69 + 67]);
  expect([pixel(1, 2, 69, 0), pixel(1, 2, 0, 69), pixel(0, 0, 70, 70)]).toEqual([0, 0, 0]);
  expect(paddedImages({ ...step, inputSize: 224 }).shape).toEqual([2, 3, 227, 227]);
});

test('parameters have the standard deviations of the network', () => {
  const parameters = initialParameters(paperNetwork(step));
  const { data } = parameters['conv3.weight']!;
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const deviation = Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length);
  expect(deviation).toBeCloseTo(0.01, 4);
  expect(mean).toBeCloseTo(0, 4);
  expect(new Set(parameters['conv2.bias']!.data)).toEqual(new Set([1]));
});

test('every image has one label', () => {
  const { data } = oneHotLabels(step);
  expect([data.slice(0, 10), data.slice(10)].map((row) => row.indexOf(1))).toEqual([0, 7]);
  expect(data.reduce((sum, value) => sum + value, 0)).toBe(2);
});

test('half of the hidden units are dropped, and different ones in the next step', async () => {
  const gpu = await testGpu();
  const [first, second] = await dropoutMasks(gpu, step, 0);
  const [next] = await dropoutMasks(gpu, step, 1);
  for (const { data } of [first, second]) {
    expect(new Set(data)).toEqual(new Set([0, 1]));
    expect(data.reduce((sum, value) => sum + value, 0) / (2 * hiddenUnits)).toBeCloseTo(0.5, 1);
  }
  expect(next.data).not.toEqual(first.data);
  expect(second.data).not.toEqual(first.data);
});
