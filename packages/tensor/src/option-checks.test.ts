import { expect, test } from 'vitest';
import { ConfigError } from './errors.js';
import { shareOfColumn } from './network/column.js';
import {
  checkArray,
  checkBoolean,
  checkFinite,
  checkNotNegative,
  checkOneOf,
  checkOptions,
  checkPositive,
  checkSignal,
  checkText,
  checkWholeNumber,
} from './option-checks.js';

type Check = (owner: string, option: string, value: unknown) => void;

/** What each check accepts and refuses, and how the error describes the allowed values. */
const cases: readonly [string, Check, readonly unknown[], readonly unknown[], string][] = [
  [
    'checkWholeNumber',
    checkWholeNumber,
    [1, 7],
    [0, -1, 1.5, Number.NaN, Infinity, '2', undefined],
    'a whole number of at least 1',
  ],
  ['checkFinite', checkFinite, [-1, 0, 3e38], [1e39, Number.NaN, Infinity, '2', undefined], 'a finite number'],
  ['checkNotNegative', checkNotNegative, [0, 0.5], [-1e-9, 1e39, Number.NaN, '2'], 'a number of at least 0'],
  ['checkPositive', checkPositive, [1e-9, 2], [0, 1e-60, -1, 1e39, Number.NaN], 'a number above 0'],
  ['checkText', checkText, ['a'], ['', 3, undefined], 'a text'],
  ['checkArray', checkArray, [[], [1]], [3, undefined, 'a'], 'an array'],
  ['checkBoolean', checkBoolean, [true, false], [1, 'true', undefined], 'true or false'],
  ['checkOneOf', (...given) => checkOneOf(...given, ['a', 'b']), ['a', 'b'], ['c', 0], "'a' or 'b'"],
];

test.each(cases)(
  '%s accepts what is allowed, and otherwise names owner, option and value',
  (_, check, taken, refused, allowed) => {
    for (const value of taken) check('conv1', 'option', value);
    for (const value of refused) {
      const refuse = () => check('conv1', 'option', value);
      expect(refuse).toThrow(ConfigError);
      const got = typeof value === 'string' ? `'${value}'` : value;
      expect(refuse).toThrow(`conv1: option must be ${allowed}, got ${got}`);
    }
  },
);

test('an option that is not known is refused, and so is what holds none', () => {
  const options: { readonly size?: number | undefined; readonly gap?: number } = { size: undefined };
  checkOptions('filters', options, ['gap', 'size']);
  const misspelt: { readonly size?: number } = JSON.parse('{ "sise": 3 }');
  expect(() => checkOptions('filters', misspelt, ['size'])).toThrow(
    new ConfigError("filters: unknown option 'sise'; known: size"),
  );
  for (const none of [null, undefined, 3, [3]] as unknown as object[]) {
    expect(() => checkOptions('filters', none, [])).toThrow(ConfigError);
  }
});

test('the list of known options is that of their type, or does not compile', () => {
  const options: { readonly size?: number; readonly gap?: number } = {};
  const either: { readonly size?: number } | { readonly gap?: number } = options;
  checkOptions('filters', either, ['size', 'gap']);
  // @ts-expect-error gap is missing
  checkOptions('filters', options, ['size']);
  // @ts-expect-error gap is missing
  checkOptions('filters', either, ['size']);
  // @ts-expect-error there is no such option
  checkOptions('filters', options, ['size', 'gap', 'sise']);
});

test('a signal is one, not the controller that it belongs to', () => {
  const controller = new AbortController();
  checkSignal('train', controller.signal);
  checkSignal('train', undefined);
  for (const wrong of [controller, null, true]) {
    expect(() => checkSignal('train', wrong)).toThrow(ConfigError);
    expect(() => checkSignal('train', wrong)).toThrow('train: signal must be an AbortSignal, such as ');
  }
});

test('a whole number may have another minimum', () => {
  checkWholeNumber('net', 'classes', 2, 2);
  expect(() => checkWholeNumber('net', 'classes', 1, 2)).toThrow(
    'net: classes must be a whole number of at least 2, got 1',
  );
});

test('a whole number may have a maximum', () => {
  checkWholeNumber('augmenter', 'seed', 7, 0, 7);
  expect(() => checkWholeNumber('augmenter', 'seed', 8, 0, 7)).toThrow(
    'augmenter: seed must be a whole number from 0 to 7, got 8',
  );
});

test('a column gets its part, and what does not divide evenly is refused', () => {
  expect(shareOfColumn('conv1', 'filters', 96, { index: 1, count: 2 })).toBe(48);
  expect(shareOfColumn('conv1', 'filters', 96, { index: 1, count: 4, span: 3 })).toBe(72);
  const refuse = () => shareOfColumn('conv1', 'filters', 5, { index: 0, count: 2 });
  expect(refuse).toThrow(ConfigError);
  expect(refuse).toThrow('conv1: 5 filters cannot be divided into 2 columns; give a multiple of 2');
});
