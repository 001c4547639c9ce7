import { expect, test } from 'vitest';
import { formatAnswer, parseAnswer } from './protocol.js';

const measurement = { firstMs: 3, milliseconds: [1, 2], sample: [0.5, -1] };

test.each([measurement, { ...measurement, sample: [] }, { failure: 'two\nlines' }])(
  '%j survives a round trip',
  (answer) => {
    expect(parseAnswer(`Hello from a library\n${formatAnswer(answer)}\nand goodbye\n`)).toEqual(answer);
  },
);

test('the last answer counts', () => {
  const output = [formatAnswer({ failure: 'first' }), formatAnswer(measurement)].join('\n');
  expect(parseAnswer(output)).toEqual(measurement);
});

test.each([
  ['nothing', ''],
  ['only noise', '{"firstMs":1}\nalex'],
  ['a truncated line', formatAnswer(measurement).slice(0, -3)],
  ['no times', formatAnswer({ ...measurement, milliseconds: [] })],
  // JSON writes NaN as null.
  ['values that are not numbers', formatAnswer({ ...measurement, sample: [Number.NaN] })],
  ['a number', 'alex-benchmark 5'],
  ['null', 'alex-benchmark null'],
  ['a failure without words', 'alex-benchmark {"failure":5}'],
])('%s is not an answer', (_, output) => {
  expect(parseAnswer(output)).toBeUndefined();
});
