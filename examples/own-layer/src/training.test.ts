import { place } from '@alex/multi-gpu';
import { sgd } from '@alex/optim';
import { testGpu } from '@alex/tensor/testing';
import { expect, it } from 'vitest';
import { gratings } from './gratings.js';
import { ownNetwork } from './network.js';

const batch = 16;
const placed = async () =>
  place(ownNetwork, [await testGpu()], { batch, optimizer: sgd({ learningRate: 0.05, weightDecay: 0 }) });

it('generalizes to validation images far better than chance', async () => {
  const network = await placed();
  let last = Number.NaN;
  for (let step = 0; step < 40; step++) {
    const { images, labels } = gratings(batch, step);
    last = (await network.step(images, labels)).loss;
  }
  // Chance is a loss of ln 4 = 1.39 and 12 errors of 16.
  expect(last).toBeLessThan(0.3);
  const held = gratings(batch, 1_000_000);
  const { top1Errors } = await network.evaluate(held.images, held.labels);
  expect(top1Errors.reduce((sum, error) => sum + error, 0)).toBeLessThanOrEqual(1);
  network.dispose();
});

it('resumes with its running statistics, bit for bit', async () => {
  const steps = async (network: Awaited<ReturnType<typeof placed>>, from: number, to: number) => {
    for (let step = from; step < to; step++) {
      const { images, labels } = gratings(batch, step);
      await network.step(images, labels);
    }
  };
  const all = async (network: Awaited<ReturnType<typeof placed>>) => ({
    ...(await network.parameters()),
    ...(await network.optimizerState()),
    ...(await network.layerState()),
  });
  const whole = await placed();
  await steps(whole, 0, 8);
  const stopped = await placed();
  await steps(stopped, 0, 5);
  const resumed = await placed();
  resumed.loadParameters(await stopped.parameters());
  const [optimizerState, layerState] = [await stopped.optimizerState(), await stopped.layerState()];
  expect(Object.keys(layerState)).toEqual(['norm1.mean', 'norm1.variance']);
  resumed.loadState({ step: 5, optimizerState, layerState });
  await steps(resumed, 5, 8);
  expect(await all(resumed)).toEqual(await all(whole));
  for (const network of [whole, stopped, resumed]) network.dispose();
});
