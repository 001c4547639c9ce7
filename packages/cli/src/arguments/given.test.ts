import { expect, it } from 'vitest';
import { misspeltVariables } from './given.js';

it.each([
  ['ALEX_ADAPTERS', 'ALEX_ADAPTER'],
  ['ALEX_ADAPTOR', 'ALEX_ADAPTER'],
  ['ALEX_CACHE_DIR', 'ALEX_CACHE'],
])('the environment variable %s was meant to be %s', (name, meant) => {
  expect(misspeltVariables({ [name]: '1' })).toEqual([
    `The environment variable ${name} is not used; did you mean ${meant}?`,
  ]);
});

it('variables that are read, and those of others, are left alone', () => {
  expect(misspeltVariables({ ALEX_ADAPTER: '1', ALEX_CACHE: '/tmp', ALEX_HOME: '/home/alex', PATH: '/bin' })).toEqual(
    [],
  );
});
