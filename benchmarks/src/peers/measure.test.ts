import { expect, test } from 'vitest';
import { formatPeers } from '../tables.js';
import { measurePeers, type PeerOptions } from './measure.js';
import type { Answer, Request } from './protocol.js';
import { expectedSample } from './reference.js';
import { multiplyAddsOf, type Workload } from './workloads.js';

const product = { kind: 'product', rows: 5, depth: 3, columns: 7 } as const;
const step = { kind: 'step', batch: 4, inputSize: 67, classes: 10, normalization: true } as const;

/** Measures with made-up answers. */
function measured(workload: Workload, answers: Record<string, Answer>, more: Partial<PeerOptions> = {}) {
  const [, ...libraries] = Object.keys(answers);
  const ask = async ({ library }: Request) => answers[library]!;
  return measurePeers({ libraries, workloads: { work: workload }, adapter: 'a', repeats: 2, ask, ...more });
}

const sample = expectedSample(product);

test('a library has the ratio of its time to ours', async () => {
  const results = await measured(product, {
    alex: { firstMs: 9, milliseconds: [3, 2, 1], sample },
    tfjs: { firstMs: 90, milliseconds: [30, 10], sample },
  });
  expect(results).toMatchObject([
    { library: 'alex', medianMs: 2, fastestMs: 1, slowestMs: 3, ratio: 1, rate: (5 * 3 * 7) / 0.002, error: 0 },
    { library: 'tfjs', medianMs: 20, firstMs: 90, ratio: 10, unit: 'multiply-adds/s' },
  ]);
  expect(formatPeers(results)).toMatch(/work +tfjs +20\.00 +10\.00-30\.00 +90 .* 10\.00 x/);
});

test('a library that fails has a row with the reason, and the others continue', async () => {
  const heard: string[] = [];
  const results = await measured(
    product,
    {
      alex: { firstMs: 1, milliseconds: [1], sample },
      'jax-js': { failure: 'took longer than 1 s' },
      tfjs: { firstMs: 1, milliseconds: [2], sample },
    },
    { onResult: ({ library }) => heard.push(library) },
  );
  expect(results.map(({ ratio }) => ratio)).toEqual([1, null, 2]);
  expect(formatPeers(results)).toMatch(/work +jax-js +took longer than 1 s/);
  expect(heard).toEqual(['alex', 'jax-js', 'tfjs']);
});

test('if Alex fails, the others have times but no ratios', async () => {
  const times = { firstMs: 1, milliseconds: [2], sample };
  expect(await measured(product, { alex: { failure: 'lost' }, tfjs: times })).toMatchObject([
    { failure: 'lost' },
    { medianMs: 2, ratio: null },
  ]);
  expect(await measured(step, { alex: { failure: 'lost' }, tfjs: times })).toMatchObject([{}, { error: null }]);
});

test.each([
  ['another value', sample.map((value, index) => (index === 2 ? value + 1 : value))],
  ['fewer values', []],
])('a library that computes %s has no time', async (_, other) => {
  const results = await measured(product, {
    alex: { firstMs: 1, milliseconds: [1], sample },
    tfjs: { firstMs: 1, milliseconds: [1], sample: other },
  });
  expect(results[1]).toMatchObject({
    medianMs: null,
    ratio: null,
    failure: expect.stringMatching(/gives different results/),
  });
});

test("losses are compared with Alex's over their common length", async () => {
  const results = await measured(step, {
    alex: { firstMs: 1, milliseconds: [500, 500, 500], sample: [7, 6.5, 6, 5] },
    'jax-js': { firstMs: 1, milliseconds: [1000], sample: [7, 6.51] },
    tfjs: { firstMs: 1, milliseconds: [1000], sample: [7, 6.9] },
  });
  expect(results).toMatchObject([
    { rate: 8, unit: 'images/s' },
    { ratio: 2 },
    { failure: expect.stringMatching(/gives different results/) },
  ]);
});

test('multiply-adds are those of conv2 and conv3 in the paper', () => {
  const shape = { kind: 'convolution', batch: 1, directions: 'forward' } as const;
  const conv2 = { ...shape, channels: 96, size: 27, filters: 256, kernel: 5, padding: 2, groups: 2 };
  const conv3 = { ...shape, channels: 256, size: 13, filters: 384, kernel: 3, padding: 1, groups: 1 };
  expect([multiplyAddsOf(conv2), multiplyAddsOf(conv3)]).toEqual([223_948_800, 149_520_384]);
  expect(multiplyAddsOf({ ...conv3, batch: 2, directions: 'both' })).toBe(6 * 149_520_384);
});
