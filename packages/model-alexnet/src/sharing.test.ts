import { chooseStrategy, predictAlone, predictSteps } from '@alex/multi-gpu';
import { describe, expect, test } from 'vitest';
import { alexnet } from './alexnet.js';

const paper = alexnet({ variant: 'paper' });
const rates = { multiplyAddsPerSecond: [1e12, 1e12], exchangeBytesPerSecond: 1e10, exchangeSeconds: 0 };

describe('predictions', () => {
  test("bytes are those of the paper's connectivity", () => {
    const batch = 128;
    const bytes = Object.fromEntries(
      predictSteps(paper, { batch, rates }).map(({ strategy, exchangedBytes }) => [strategy, exchangedBytes]),
    );
    const values = {
      // Both halves of what a layer reads are exchanged, and so are their gradients.
      conv3: 2 * 256 * 13 * 13,
      fc6: 2 * 256 * 6 * 6,
      fc7: 2 * 4096,
      fc8: 2 * 4096,
      scores: 1000,
    };
    const { conv3, fc6, fc7, fc8, scores } = values;
    expect(bytes['model']).toBe(4 * batch * (conv3 + fc6 + fc7 + fc8 + scores));
    expect(bytes['data']).toBe(4 * (2 * 60_965_224 + batch * scores));
    const convolutions = 34_944 + 307_456 + 885_120 + 663_936 + 442_624;
    expect(bytes['hybrid']).toBe(4 * (2 * convolutions + batch * (fc6 + fc7 + fc8 + scores)));
  });

  test('without exchange time, two equal adapters take half as long as one', () => {
    const free = { ...rates, exchangeBytesPerSecond: Infinity };
    const alone = predictAlone(paper, 128, 1e12);
    expect(alone).toBeCloseTo((128 * (3 * 724_406_816 - 105_415_200)) / 1e12, 12);
    for (const { seconds } of predictSteps(paper, { batch: 128, rates: free }))
      expect(seconds / alone).toBeCloseTo(0.5, 9);
  });

  test('slow exchange favours strategies that exchange little; unequal adapters favour sharing images', () => {
    const fast = { ...rates, multiplyAddsPerSecond: [1e13, 1e13] };
    expect(chooseStrategy(paper, { batch: 128, rates: fast }).strategy).toBe('hybrid');
    // With one image per step, activations are negligible; the weights of convolutions are not.
    expect(chooseStrategy(paper, { batch: 2, rates: { ...rates, exchangeBytesPerSecond: 1e8 } }).strategy).toBe(
      'model',
    );
    const uneven = chooseStrategy(paper, {
      batch: 128,
      rates: { ...rates, multiplyAddsPerSecond: [5e12, 1e12], exchangeBytesPerSecond: 1e12 },
    });
    expect(uneven).toMatchObject({ strategy: 'data', images: [107, 21] });
    expect(uneven.why).toMatch(/5,000 and 1,000 billion multiply-adds.* data \(107 \+ 21 images\) .* alone/);
  });
});
