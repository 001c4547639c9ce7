import { ConfigError } from '@alex/tensor';
import type { Split } from './dataset.js';

/** Throws a `ConfigError` unless the value is a whole number within the bounds. */
export function checkWhole(option: string, value: number, minimum: number, maximum = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= minimum && value <= maximum) return;
  const wanted =
    maximum === Number.MAX_SAFE_INTEGER
      ? `a whole number of at least ${minimum}`
      : `a whole number from ${minimum} to ${maximum}`;
  throw new ConfigError(`${option} is ${shown(value)}: give ${wanted}`);
}

/** A value in a message: texts are quoted, as they may be mistaken for numbers. */
export const shown = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : String(value));

/** Random numbers are keyed by 32-bit words, so seeds and epochs must be such words. */
export function checkWord(option: string, value: number): void {
  checkWhole(option, value, 0, 0xffffffff);
}

/** Throws a `ConfigError` unless the value is a path. */
export function checkPath(owner: string, path: unknown): void {
  if (typeof path === 'string' && path !== '') return;
  throw new ConfigError(`${owner}: give the path of a folder, got ${shown(path)}`);
}

/** Throws a `ConfigError` unless the value is a split of a data set. */
export function checkSplit(owner: string, split: Split): void {
  if (typeof split?.read === 'function') return;
  throw new ConfigError(`${owner}: give a split of a data set, such as dataset.train; got ${String(split)}`);
}
