import { ConfigError } from '@alex/tensor';
import { expect, test } from 'vitest';
import { parseArguments } from './arguments.js';

const of = (line: string) => parseArguments(line.split(' ').filter((word) => word !== ''));

test("times a step of the paper's network by default", () => {
  expect(of('')).toMatchObject({ step: true, layers: false, peers: [], model: 'paper', batch: 8, repeats: 3 });
  expect(of('--short')).toMatchObject({ step: true, model: 'small' });
});

test('times what was requested and nothing else', () => {
  expect(of('--layers --batch 64')).toMatchObject({ step: false, layers: true, batch: 64 });
  expect(of('--peers')).toMatchObject({ step: false, peers: ['jax-js', 'tfjs'] });
  expect(of('--peers --step --layers')).toMatchObject({ step: true, layers: true, peers: ['jax-js', 'tfjs'] });
  expect(of('--exchange --other llvmpipe')).toMatchObject({ step: false, exchange: true, other: 'llvmpipe' });
  expect(of('--loading --data shards')).toMatchObject({ step: false, loading: true, data: 'shards' });
  expect(of('--peers tfjs')).toMatchObject({ peers: ['tfjs'] });
  expect(of('--peers=tfjs,jax-js')).toMatchObject({ peers: ['tfjs', 'jax-js'] });
});

test('workloads have the given batch size', () => {
  expect(of('--batch 2 --workloads conv2,step').workloads).toMatchObject({
    conv2: { batch: 2, groups: 2 },
    step: { batch: 2, normalization: true },
  });
  expect(Object.keys(of('').workloads)).toHaveLength(8);
});

test.each([
  ['--peers mxnet', /--peers: 'mxnet' is unknown; choose from jax-js, tfjs/],
  ['--peers alex', /'alex' is unknown/],
  ['--workloads conv1', /--workloads: 'conv1' is unknown; choose from product, /],
  ['--workloads constructor', /'constructor' is unknown/],
  ['--batch 0', /--batch must be a whole number of at least 1, got 0/],
  ['--repeats 1.5', /--repeats .* got 1.5/],
  ['--limit soon', /--limit .* got soon/],
])('%s is refused', (line, message) => {
  expect(() => of(line)).toThrow(ConfigError);
  expect(() => of(line)).toThrow(message);
});

test('options that do not exist are refused', () => {
  expect(() => of('--fast')).toThrow(/--fast/);
});
