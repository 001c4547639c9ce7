import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { describeNetwork, type Gpu, type Layer, openGpu } from '@alex/tensor';
import { recordPerElement, recordTunable } from '@alex/tensor/kernels';
import { tuneNetwork } from '@alex/tensor/network';
import { randomTensor } from '@alex/tensor/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { place } from './place.js';

let gpu: Gpu;
const recorded: string[] = [];

beforeEach(async () => {
  const adapter = process.env['ALEX_ADAPTER'];
  gpu = await openGpu(adapter ? { adapter } : {});
  recorded.length = 0;
});
afterEach(() => {
  expect(gpu.liveBuffers).toBe(0);
  gpu.dispose();
});

/** Doubles in one of two ways, forward and backward. */
function doubling(): Layer {
  const double = (
    recorder: Parameters<Layer['forward']>[0],
    direction: string,
    x: Parameters<Layer['forward']>[1]['input'],
  ) => {
    const y = recorder.tensor(direction, x.shape);
    recordTunable<string>(recorder, {
      kernel: `doubling/${direction}`,
      version: 1,
      shape: `${x.elements}`,
      candidates: ['sum', 'product'],
      plain: 'sum',
      outputs: [y],
      record(inner, choice) {
        recorded.push(choice);
        recordPerElement(inner, {
          label: direction,
          elements: x.elements,
          reads: { x },
          writes: { y },
          body: choice === 'sum' ? 'store_y(i, load_x(i) + load_x(i));' : 'store_y(i, 2.0 * load_x(i));',
        });
      },
    });
    return y;
  };
  return {
    kind: 'doubling',
    name: 'doubling',
    outputShape: (input) => input,
    parameters: () => [],
    multiplyAdds: () => 0,
    forward: (recorder, { input }) => ({ output: double(recorder, 'forward', input) }),
    backward: (recorder, { outputGradient }) => ({ inputGradient: double(recorder, 'backward', outputGradient) }),
    column: () => doubling(),
  };
}

const description = describeNetwork({
  name: 'toy',
  input: [1, 3, 3],
  layers: [dense({ name: 'below', units: 6 }), doubling(), dense({ name: 'above', units: 5 })],
});

it('a network learns the same whether its kernels were tuned or not', async () => {
  const images = randomTensor([4, 1, 3, 3], 1);
  const learn = async () => {
    const network = place(description, [gpu], { batch: 4, seed: 3 });
    try {
      for (let step = 0; step < 3; step++) await network.step(images, [0, 1, 2, 3]);
      return await network.parameters();
    } finally {
      network.dispose();
    }
  };
  const untuned = await learn();
  expect(new Set(recorded)).toEqual(new Set(['sum']));
  for (const effort of ['off', 'quick', 'full'] as const) {
    const { left, tunings } = await tuneNetwork(description, gpu, {
      batch: 4,
      loss: softmaxCrossEntropy(),
      optimizer: sgd(),
      effort,
      clock: { now: () => 0, time: (_, { choice }) => Promise.resolve(choice === 'sum' ? 2 : 1) },
    });
    expect(left).toEqual([]);
    // The products of the dense layers are tunable too. The clock finds all their candidates equal, so the defaults
    // stay.
    const keys = [...tunings.keys()].filter((key) => !key.startsWith('product/')).sort();
    expect(keys).toEqual(effort === 'off' ? [] : ['doubling/backward/1/24', 'doubling/forward/1/24']);
    expect(tunings.size).toBe(effort === 'off' ? 0 : 2 + 5);
    recorded.length = 0;
    expect(await learn()).toEqual(untuned);
    expect(new Set(recorded)).toEqual(new Set([effort === 'off' ? 'sum' : 'product']));
  }
});

it('a network that cannot be compiled cannot be tuned', async () => {
  const options = { loss: softmaxCrossEntropy(), optimizer: sgd(), effort: 'quick' } as const;
  await expect(tuneNetwork(description, gpu, { ...options, batch: 0 })).rejects.toThrow(/batch must be/);
});
