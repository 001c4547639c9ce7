import { ConfigError } from '@alex/tensor';
import { describe, expect, it } from 'vitest';
import { adam } from './adam.js';
import { exponentialSchedule, plateauSchedule, stepSchedule, tableSchedule, warmUp } from './schedule.js';
import { sgd } from './sgd.js';

/** As JavaScript would call it, or TypeScript with a cast. */
const odd = (value: unknown) => value as never;
const constant = stepSchedule({ learningRate: 1, epochs: [] });

describe.each<[owner: string, call: (options: never) => unknown]>([
  ['sgd', sgd],
  ['adam', adam],
  ['stepSchedule', stepSchedule],
  ['exponentialSchedule', exponentialSchedule],
  ['plateauSchedule', plateauSchedule],
  ['tableSchedule', tableSchedule],
  ['warmUp', (options) => warmUp(constant, options)],
])('%s', (owner, call) => {
  it('refuses an option that it does not know, and names those that it knows', () => {
    expect(() => call(odd({ learningrate: 1 }))).toThrow(ConfigError);
    expect(() => call(odd({ learningrate: 1 }))).toThrow(`${owner}: unknown option 'learningrate'; known: `);
  });

  it.each([null, 3, [3]])('refuses %j instead of options', (wrong) => {
    expect(() => call(odd(wrong))).toThrow(ConfigError);
    expect(() => call(odd(wrong))).toThrow(`${owner}: takes an object of options, { `);
  });
});

it.each<[string, () => unknown, string]>([
  [
    'a rate in words',
    () => sgd(odd({ learningRate: '0.1' })),
    "sgd: learningRate must be a number of at least 0, got '0.1'",
  ],
  ['overrides that are none', () => sgd(odd({ overrides: null })), 'sgd: overrides must be an object'],
  ['an override that is none', () => sgd(odd({ overrides: { conv1: 0 } })), "sgd: override 'conv1' must be an object"],
  ['a misspelt override', () => sgd(odd({ overrides: { conv1: { rate: 0 } } })), "unknown field 'rate'"],
  ['overrides that are none', () => adam(odd({ overrides: 2 })), 'adam: overrides must be an object'],
  [
    'an override that is none',
    () => adam(odd({ overrides: { conv1: null } })),
    "adam: override 'conv1' must be an object",
  ],
  ['no epochs', () => stepSchedule(odd({ learningRate: 1 })), 'stepSchedule: epochs must be an array'],
  ['a single epoch', () => stepSchedule(odd({ learningRate: 1, epochs: 3 })), 'stepSchedule: epochs must be an array'],
  [
    'factors without epochs',
    () => tableSchedule(odd({ learningRate: 1, factors: [1, 0.1] })),
    'tableSchedule: factors must',
  ],
  ['no schedule', () => warmUp(odd(undefined), { epochs: 1, from: 0.1 }), 'warmUp: schedule must be a schedule'],
])('%s is refused', (_, call, message) => {
  expect(call).toThrow(ConfigError);
  expect(call).toThrow(message);
});
