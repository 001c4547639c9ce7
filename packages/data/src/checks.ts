import { ConfigError } from '@alex/tensor';

/** Throws a `ConfigError` unless the value is a whole number within the bounds. */
export function checkWhole(option: string, value: number, minimum: number, maximum = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= minimum && value <= maximum) return;
  const wanted =
    maximum === Number.MAX_SAFE_INTEGER
      ? `a whole number of at least ${minimum}`
      : `a whole number from ${minimum} to ${maximum}`;
  throw new ConfigError(`${option} is ${value}: give ${wanted}`);
}

/** Random numbers are keyed by 32-bit words, so seeds and epochs must be such words. */
export function checkWord(option: string, value: number): void {
  checkWhole(option, value, 0, 0xffffffff);
}
