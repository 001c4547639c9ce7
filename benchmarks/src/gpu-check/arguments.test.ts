import { ConfigError } from '@alex/tensor';
import { expect, test } from 'vitest';
import { parseArguments } from './arguments.js';

test("the full check covers the paper's network at two batch sizes in eight minutes; the quick one is shorter", () => {
  expect(parseArguments([])).toMatchObject({ model: 'paper', batches: [128, 256], minutes: 8, out: 'gpu-check' });
  expect(parseArguments(['--quick'])).toMatchObject({ quick: true, batches: [128], minutes: 3 });
  expect(parseArguments(['--quick', '--minutes', '1.5'])).toMatchObject({ minutes: 1.5 });
});

test.each([
  [['--minutes', '0'], /--minutes must be above 0, got 0/],
  [['--minutes', 'long'], /--minutes .* got long/],
  [['--batch', '128,'], /--batch must be whole numbers of at least 1, got 128,/],
])('%s is refused', (given, message) => {
  expect(() => parseArguments(given)).toThrow(ConfigError);
  expect(() => parseArguments(given)).toThrow(message);
});
