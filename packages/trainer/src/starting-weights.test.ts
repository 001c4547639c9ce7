import { ConfigError, type HostTensor, type NetworkDescription } from '@alex/tensor';
import { expect, it } from 'vitest';
import { startingWeights } from './starting-weights.js';

const tensor = (value: number, length = 2): HostTensor => ({
  shape: [length],
  data: new Float32Array(length).fill(value),
});
type Tensors = Record<string, HostTensor>;

/** A network with these layers, each with the names of its parameters, all drawn as 0, and a list of those drawn. */
function networkOf(layers: Record<string, readonly string[]>, state: Tensors = {}) {
  const own = (layer: string, names: readonly string[]) =>
    names.map((name) => ({ path: `${layer}.${name}`, shape: [2] }));
  const description = {
    table: () => ({ rows: [] }),
    layers: Object.entries(layers).map(([name, parameters]) => ({
      layer: { name },
      parameters: own(name, parameters),
      state: Object.keys(state)
        .filter((path) => path.startsWith(`${name}.`))
        .map((path) => ({ path, shape: [2] })),
    })),
  } as unknown as NetworkDescription;
  const drawn: string[] = [];
  return {
    description,
    drawn,
    parameters: async (names: readonly string[] = []) => {
      drawn.push(...names);
      return Object.fromEntries(names.map((path) => [path, tensor(0)]));
    },
    layerState: async () => state,
  };
}

const simple = { conv1: ['weight'], relu1: [], fc2: ['weight'], fc3: ['weight', 'bias'] };
const paths = ['conv1.weight', 'fc2.weight', 'fc3.weight', 'fc3.bias'];
const learnt: Tensors = Object.fromEntries(paths.map((path) => [path, tensor(1)]));

/** The first value of each of these, in order; checks that there are no others. */
async function firsts(given: Tensors, network: ReturnType<typeof networkOf>, replaces: string[], wanted = paths) {
  const parameters = await startingWeights(given, network, replaces);
  expect(Object.keys(parameters).sort()).toEqual([...wanted].sort());
  return wanted.map((path) => parameters[path]!.data[0]);
}

it('uses the given weights, except for reinitialized layers, and draws only those', async () => {
  const network = networkOf(simple);
  expect(await firsts({ ...learnt, 'fc2.weight.velocity': tensor(9) }, network, [])).toEqual([1, 1, 1, 1]);
  expect(network.drawn).toEqual([]);
  expect(await firsts(learnt, network, ['fc3'])).toEqual([1, 1, 0, 0]);
  expect(network.drawn).toEqual(['fc3.weight', 'fc3.bias']);
  expect(await firsts(learnt, network, ['conv1', 'fc2'])).toEqual([0, 0, 1, 1]);
});

it('reinitializes the last layer if the classes differ', async () => {
  const network = networkOf(simple);
  expect(await firsts({ ...learnt, 'fc3.weight': tensor(1, 5) }, network, [])).toEqual([1, 1, 0, 0]);
  const { 'fc3.bias': _, ...without } = learnt;
  expect(await firsts(without, network, [])).toEqual([1, 1, 0, 0]);
});

it('names what does not fit', async () => {
  const start = (given: Tensors, replaces: string[]) => startingWeights(given, networkOf(simple), replaces);
  await expect(start(learnt, ['fc9'])).rejects.toThrow(/no layer fc9 .* has conv1, fc2, fc3/);
  await expect(start({ ...learnt, 'fc2.weight': tensor(1, 5) }, [])).rejects.toThrow(ConfigError);
  await expect(start({ ...learnt, 'fc2.weight': tensor(1, 5) }, [])).rejects.toThrow(/fc2.weight has the shape \[5\]/);
  await expect(start({}, ['conv1'])).rejects.toThrow(/fc2.weight is not there/);
});

it.each(['head.a.weight', 'head.b.weight'])(
  'reinitializes all of a composite last layer if %s differs',
  async (differs) => {
    const composite = networkOf({ conv1: ['weight'], head: ['a.weight', 'b.weight'] });
    const all = ['conv1.weight', 'head.a.weight', 'head.b.weight'];
    const given = { ...Object.fromEntries(all.map((path) => [path, tensor(1)])), [differs]: tensor(1, 5) };
    expect(await firsts(given, composite, [], all)).toEqual([1, 0, 0]);
  },
);

it('uses the state of layers that are not reinitialized, if it exists and fits', async () => {
  const network = networkOf({ ...simple, norm2: [] }, { 'norm2.mean': tensor(0), 'fc3.mean': tensor(0) });
  const given = { ...learnt, 'norm2.mean': tensor(2), 'fc3.mean': tensor(2) };
  const all = [...paths, 'norm2.mean', 'fc3.mean'];
  expect(await firsts(given, network, [], all)).toEqual([1, 1, 1, 1, 2, 2]);
  expect(await firsts(given, network, ['fc3'], all)).toEqual([1, 1, 0, 0, 2, 0]);
  expect(await firsts(learnt, network, [], all)).toEqual([1, 1, 1, 1, 0, 0]);
  const larger = { ...given, 'norm2.mean': tensor(2, 5) };
  expect(await firsts(larger, network, [], all)).toEqual([1, 1, 1, 1, 0, 2]);
});
