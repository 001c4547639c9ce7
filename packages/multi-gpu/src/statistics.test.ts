import { relu } from '@alex/activations';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { describeNetwork, type HostTensor } from '@alex/tensor';
import type { Network } from '@alex/tensor/network';
import { randomTensor, testGpu } from '@alex/tensor/testing';
import { afterEach, expect, it } from 'vitest';
import { place } from './place.js';

const description = describeNetwork({
  name: 'little',
  input: [2, 5, 4],
  layers: [
    conv2d({ name: 'conv1', filters: 3, kernel: 3, padding: 1, initial: { weightDeviation: 0.3 } }),
    relu({ name: 'relu1' }),
    dense({ name: 'fc2', units: 3, initial: { weightDeviation: 0.3 } }),
  ],
});
const images = randomTensor([6, 2, 5, 4], 1);
const labels = [0, 1, 2, 0, 1, 2];

let network: Network;
afterEach(() => network.dispose());

/** In float64, value by value. */
function expected({ data }: HostTensor) {
  const finite = [...data].filter(Number.isFinite).map(Math.abs);
  return {
    nonFinite: data.length - finite.length,
    largest: Math.max(...finite),
    mean: finite.reduce((sum, value) => sum + value, 0) / data.length,
  };
}

it('measures outputs, parameters and gradients, and changes nothing', async () => {
  const gpu = await testGpu();
  network = place(description, [gpu], { batch: 6, seed: 3 });
  const [parameters, gradients] = [await network.parameters(), await network.gradients(images, labels)];
  const before = gpu.liveBuffers;
  const statistics = await network.statistics(images, labels);
  expect(gpu.liveBuffers).toBe(before);
  expect(await network.parameters()).toEqual(parameters);
  expect(statistics.map(({ layer }) => layer)).toEqual(['conv1', 'relu1', 'fc2']);
  const close = (got: object, want: Record<string, number>) => {
    for (const [name, value] of Object.entries(got)) expect(value, name).toBeCloseTo(want[name]!, 5);
  };
  for (const { layer, parameters: own } of statistics) {
    for (const [name, { value, gradient }] of Object.entries(own)) {
      close(value, expected(parameters[`${layer}.${name}`]!));
      close(gradient, expected(gradients[`${layer}.${name}`]!));
    }
  }
  close(statistics[2]!.output, expected(await network.forward(images)));
});

it('reports values that are not finite', async () => {
  network = place(description, [await testGpu()], { batch: 6, seed: 3 });
  const parameters = await network.parameters();
  parameters['fc2.weight']!.data.fill(1e38);
  parameters['fc2.bias']!.data[1] = Number.NaN;
  network.loadParameters(parameters);
  const [conv1, , fc2] = await network.statistics(images, labels);
  expect(conv1!.output.nonFinite).toBe(0);
  expect(fc2!.output.nonFinite).toBe(18);
  expect(fc2!.parameters['bias']!.value).toMatchObject({ nonFinite: 1 });
  expect(fc2!.parameters['weight']!.value.largest).toBeCloseTo(1e38, -35);
});
