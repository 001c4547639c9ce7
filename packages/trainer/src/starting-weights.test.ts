import { ConfigError, type HostTensor } from '@alex/tensor';
import { expect, it } from 'vitest';
import { startingWeights } from './starting-weights.js';

const tensor = (value: number, length = 2): HostTensor => ({
  shape: [length],
  data: new Float32Array(length).fill(value),
});
const drawn = { 'conv1.weight': tensor(0), 'fc2.weight': tensor(0), 'fc3.weight': tensor(0), 'fc3.bias': tensor(0) };
const learnt = { 'conv1.weight': tensor(1), 'fc2.weight': tensor(1), 'fc3.weight': tensor(1), 'fc3.bias': tensor(1) };
const firsts = (parameters: Record<string, HostTensor>) => Object.values(parameters).map(({ data }) => data[0]);

it('takes what was learnt, but for the layers that are reinitialized', () => {
  expect(firsts(startingWeights({ ...learnt, 'fc2.weight.velocity': tensor(9) }, drawn, []))).toEqual([1, 1, 1, 1]);
  expect(firsts(startingWeights(learnt, drawn, ['fc3']))).toEqual([1, 1, 0, 0]);
  expect(firsts(startingWeights(learnt, drawn, ['conv1', 'fc2']))).toEqual([0, 0, 1, 1]);
});

it('reinitializes the last layer if the classes differ', () => {
  expect(firsts(startingWeights({ ...learnt, 'fc3.weight': tensor(1, 5) }, drawn, []))).toEqual([1, 1, 0, 0]);
  const { 'fc3.bias': _, ...without } = learnt;
  expect(firsts(startingWeights(without, drawn, []))).toEqual([1, 1, 0, 0]);
});

it('names what does not fit', () => {
  expect(() => startingWeights(learnt, drawn, ['fc9'])).toThrow(/no layer fc9 .* has conv1, fc2, fc3/);
  expect(() => startingWeights({ ...learnt, 'fc2.weight': tensor(1, 5) }, drawn, [])).toThrow(ConfigError);
  expect(() => startingWeights({ ...learnt, 'fc2.weight': tensor(1, 5) }, drawn, [])).toThrow(
    /fc2.weight has the shape \[5\]/,
  );
  expect(() => startingWeights({}, drawn, ['conv1'])).toThrow(/fc2.weight is not there/);
});

it.each(['head.a.weight', 'head.b.weight'])('reinitializes all of a composite last layer if %s differs', (differs) => {
  const composite = { 'conv1.weight': tensor(0), 'head.a.weight': tensor(0), 'head.b.weight': tensor(0) };
  const given = {
    ...Object.fromEntries(Object.keys(composite).map((path) => [path, tensor(1)])),
    [differs]: tensor(1, 5),
  };
  expect(firsts(startingWeights(given, composite, [], {}, ['conv1', 'head']))).toEqual([1, 0, 0]);
});

it('takes the state of layers that are not reinitialized, where it is there and fits', () => {
  const state = { 'norm2.mean': tensor(0), 'fc3.mean': tensor(0) };
  const given = { ...learnt, 'norm2.mean': tensor(2), 'fc3.mean': tensor(2) };
  expect(firsts(startingWeights(given, drawn, [], state))).toEqual([1, 1, 1, 1, 2, 2]);
  expect(firsts(startingWeights(given, drawn, ['fc3'], state))).toEqual([1, 1, 0, 0, 2, 0]);
  expect(firsts(startingWeights(learnt, drawn, [], state))).toEqual([1, 1, 1, 1, 0, 0]);
});
