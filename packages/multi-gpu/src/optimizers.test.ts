import { dense } from '@alex/layers-dense';
import { adam, frozen, sgd } from '@alex/optim';
import { describeNetwork } from '@alex/tensor';
import { randomTensor, testGpu } from '@alex/tensor/testing';
import { describe, expect, it } from 'vitest';
import { place } from './place.js';

describe('adam', () => {
  it('learns, and resumes bit for bit in another network', async () => {
    const gpu = await testGpu();
    const network = () =>
      place(describeNetwork({ name: 'n', input: [3, 1, 1], layers: [dense({ name: 'fc', units: 2 })] }), [gpu], {
        batch: 4,
        optimizer: adam({ learningRate: 0.1 }),
      });
    const [whole, resumed] = [network(), network()];
    const images = randomTensor([4, 3, 1, 1], 5);
    const losses: number[] = [];
    const step = async (one: typeof whole) => (await one.step(images, [0, 1, 1, 0])).loss;
    for (let i = 0; i < 3; i++) losses.push(await step(whole));
    resumed.loadParameters(await whole.parameters());
    resumed.loadState({ step: 3, optimizerState: await whole.optimizerState() });
    for (let i = 0; i < 3; i++) {
      losses.push(await step(whole));
      await step(resumed);
    }
    expect(await resumed.parameters()).toEqual(await whole.parameters());
    expect(losses.at(-1)!).toBeLessThan(losses[0]!);
    for (const one of [whole, resumed]) one.dispose();
  });
});

describe('frozen', () => {
  it.each([sgd, adam])('keeps layers and parameters unchanged, bit for bit', async (optimizer) => {
    const gpu = await testGpu();
    const layers = [
      dense({ name: 'fc1', units: 3 }),
      dense({ name: 'fc2', units: 2 }),
      dense({ name: 'fc3', units: 2 }),
    ];
    const network = place(describeNetwork({ name: 'n', input: [3, 1, 1], layers }), [gpu], {
      batch: 4,
      optimizer: optimizer({ overrides: { ...frozen('fc1', 'fc2.bias') } }),
    });
    // A rate of 0 would turn it into 0.
    const drawn = await network.parameters();
    drawn['fc1.bias']!.data.fill(-0);
    network.loadParameters(drawn);
    const before = await network.parameters();
    for (let i = 0; i < 3; i++) await network.step(randomTensor([4, 3, 1, 1], i), [0, 1, 1, 0]);
    const after = await network.parameters();
    const unchanged = Object.keys(before).filter(
      (path) => Buffer.compare(Buffer.from(before[path]!.data.buffer), Buffer.from(after[path]!.data.buffer)) === 0,
    );
    expect(unchanged).toEqual(['fc1.weight', 'fc1.bias', 'fc2.bias']);
    network.dispose();
  });
});
