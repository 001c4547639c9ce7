import { dense } from '@alex/layers-dense';
import {
  type BackwardOutput,
  ConfigError,
  describeNetwork,
  type ForwardOutput,
  type Gpu,
  type Layer,
  ShapeError,
} from '@alex/tensor';
import { randomTensor, runLayer, testGpu } from '@alex/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { place } from './place.js';
import { runningMean } from './running-mean.fixture.js';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

const right = dense({ name: 'faulty', units: 4 });
type Forward = Layer['forward'];
type Backward = Layer['backward'];

/** A dense layer that returns something wrong. */
function spoilt(
  forward: (result: ForwardOutput, ...given: Parameters<Forward>) => object | undefined,
  backward: (result: BackwardOutput, ...given: Parameters<Backward>) => object | undefined = (result) => result,
): Layer {
  return {
    ...right,
    forward: (...given) => forward(right.forward(...given), ...given) as ForwardOutput,
    backward: (...given) => backward(right.backward(...given), ...given) as BackwardOutput,
  };
}

const inBackward = (backward: NonNullable<Parameters<typeof spoilt>[1]>) => spoilt((result) => result, backward);
const mean = runningMean({ name: 'faulty' });
const withState = (state: (result: ForwardOutput, ...given: Parameters<Forward>) => object): Layer => ({
  ...mean,
  forward: (...given) => {
    const result = mean.forward(...given);
    return given[1].training
      ? { ...result, state: state(result, ...given) as NonNullable<ForwardOutput['state']> }
      : result;
  },
});

const faults: [what: string, layer: Layer, error: typeof ConfigError, message: RegExp][] = [
  [
    'returns nothing from forward',
    spoilt(() => undefined),
    ConfigError,
    /faulty: forward returned no output; .*\[5, 4\]/,
  ],
  ['forgets its output', spoilt(() => ({})), ConfigError, /faulty: forward returned no output; .*\[5, 4\]/],
  [
    'gives an output of another shape',
    spoilt((_, { activation }) => ({ output: activation('x', [5, 3]) })),
    ShapeError,
    /faulty: forward returned an output of the shape \[5, 3\]; by its outputShape, it must be \[5, 4\]/,
  ],
  [
    'returns nothing from backward',
    inBackward(() => undefined),
    ConfigError,
    /faulty: backward returned no inputGradient/,
  ],
  [
    'forgets the input gradient',
    inBackward(({ inputGradient: _, ...rest }) => rest),
    ConfigError,
    /faulty: backward returned no inputGradient although needsInputGradient was true; .*\[5, 6\]/,
  ],
  [
    'gives an input gradient of another shape',
    inBackward((result, { activation }) => ({ ...result, inputGradient: activation('x', [6, 5]) })),
    ShapeError,
    /faulty: backward returned an inputGradient of the shape \[6, 5\]; by its input, it must be \[5, 6\]/,
  ],
  [
    'forgets all gradients of parameters',
    inBackward(({ parameterGradients: _, ...rest }) => rest),
    ConfigError,
    /faulty: backward did not return the gradient of weight; .*\[4, 6\]/,
  ],
  [
    'gives a gradient another name',
    inBackward(({ parameterGradients, ...rest }) => ({
      ...rest,
      parameterGradients: { gamma: parameterGradients!['weight']!, bias: parameterGradients!['bias']! },
    })),
    ConfigError,
    /faulty: backward returned the gradient of gamma; parameters describes weight, bias/,
  ],
  [
    'gives a gradient of another shape',
    inBackward(({ parameterGradients, ...rest }, { tensor }) => ({
      ...rest,
      parameterGradients: { ...parameterGradients, bias: tensor('x', [1, 4]) },
    })),
    ShapeError,
    /faulty: backward returned the gradient of bias of the shape \[1, 4\]; by its parameters, it must be \[4\]/,
  ],
  [
    'forgets its new state',
    withState(() => ({})),
    ConfigError,
    /faulty: forward did not return the new state mean; .*\[6\]/,
  ],
  [
    'gives a state another name',
    withState(({ state }) => ({ average: state!['mean'] })),
    ConfigError,
    /faulty: forward returned the new state average; state describes mean/,
  ],
  [
    'gives a state of another shape',
    withState((_, { tensor }) => ({ mean: tensor('x', [5]) })),
    ShapeError,
    /faulty: forward returned the new state mean of the shape \[5\]; by its state, it must be \[6\]/,
  ],
  [
    'stores its new state in 16 bits',
    withState((_, { tensor }) => ({ mean: tensor('x', [6], { dataType: 'f16' }) })),
    ConfigError,
    /faulty: forward returned the new state mean as f16/,
  ],
];

describe.each(faults)('a layer that %s', (_, layer, error, message) => {
  test('is refused by name when the network is placed, and leaves nothing behind', () => {
    const before = gpu.liveBuffers;
    const layers = [dense({ name: 'below', units: 6 }), layer, dense({ name: 'above', units: 3 })];
    const network = describeNetwork({ name: 'n', input: [2, 1, 1], layers });
    const placing = () => place(network, [gpu], { batch: 5 });
    expect(placing).toThrow(error);
    expect(placing).toThrow(message);
    expect(gpu.liveBuffers).toBe(before);
  });

  test('is refused by runLayer', async () => {
    const before = gpu.liveBuffers;
    const outputGradient = randomTensor(layer.outputShape([5, 6]), 2);
    const run = runLayer(gpu, layer, { input: randomTensor([5, 6], 1), outputGradient });
    await expect(run).rejects.toThrow(error);
    await expect(run).rejects.toThrow(message);
    expect(gpu.liveBuffers).toBe(before);
  });
});

test('a layer need not compute gradients that nobody requests', async () => {
  const lowest = inBackward((result, _, { needsInputGradient }) => (needsInputGradient ? {} : result));
  const network = place(describeNetwork({ name: 'n', input: [2, 1, 1], layers: [lowest] }), [gpu], { batch: 1 });
  await network.step(randomTensor([1, 2, 1, 1], 1), [2]);
  network.dispose();
});
