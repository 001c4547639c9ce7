import { ConfigError } from './errors.js';

// Checks for options of layers and networks. Each error names its owner (a layer or network), the option and the value.

/** The error for an option that is not `allowed`: `conv1: filters must be a whole number of at least 1, got 0`. */
export function optionError(owner: string, option: string, allowed: string, value: unknown): ConfigError {
  const got = typeof value === 'string' ? `'${value}'` : String(value);
  return new ConfigError(`${owner}: ${option} must be ${allowed}, got ${got}`);
}

/** The names of all options of a type; of a union, those of all its members. */
type NameOf<Options> = Options extends unknown ? keyof Options & string : never;

/** Nothing more where the names are those of all options; otherwise a type that no list has, and that tells which are missing. */
type Complete<Options, Name> = [NameOf<Options>] extends [Name] ? unknown : { missing: Exclude<NameOf<Options>, Name> };

/**
 * Checks that options are an object, and that each of them is known: a misspelt one would be ignored. A known option may be
 * `undefined`.
 *
 * @param known the names of all options. That they are exactly those of the options' type is checked when they are compiled, so the
 *   list cannot fall behind.
 * @throws ConfigError that names the option
 */
export function checkOptions<Options extends object, const Name extends NameOf<Options>>(
  owner: string,
  options: Options,
  known: readonly Name[] & Complete<Options, Name>,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new ConfigError(`${owner}: takes an object of options, { ${known.join(', ')} }; got ${String(options)}`);
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name as Name));
  if (unknown !== undefined) {
    throw new ConfigError(`${owner}: unknown option '${unknown}'; known: ${known.join(', ')}`);
  }
}

/** @throws ConfigError unless the value is a whole number from `least` to `most`. Default: from 1, without a largest. */
export function checkWholeNumber(
  owner: string,
  option: string,
  value: unknown,
  least = 1,
  most = Number.MAX_SAFE_INTEGER,
): void {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw optionError(owner, option, `a whole number ${range}`, value);
}

/** @throws ConfigError unless the value is finite in float32, the type that kernels compute in. */
export function checkFinite(owner: string, option: string, value: unknown): void {
  if (!isFinite32(value)) throw optionError(owner, option, 'a finite number', value);
}

/** @throws ConfigError unless the value is finite in float32 and at least 0. */
export function checkNotNegative(owner: string, option: string, value: unknown): void {
  if (!isFinite32(value) || value < 0) throw optionError(owner, option, 'a number of at least 0', value);
}

/**
 * @throws ConfigError unless the value is finite in float32 and above 0 there: a value that rounds to 0 is refused as
 * well.
 */
export function checkPositive(owner: string, option: string, value: unknown): void {
  if (!isFinite32(value) || Math.fround(value) <= 0) throw optionError(owner, option, 'a number above 0', value);
}

/** @throws ConfigError unless the value is a boolean. */
export function checkBoolean(owner: string, option: string, value: unknown): void {
  if (typeof value !== 'boolean') throw optionError(owner, option, 'true or false', value);
}

/** @throws ConfigError unless the value is a text that is not empty. */
export function checkText(owner: string, option: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') throw optionError(owner, option, 'a text', value);
}

/** @throws ConfigError unless the value is an array. */
export function checkArray(owner: string, option: string, value: unknown): void {
  if (!Array.isArray(value)) throw optionError(owner, option, 'an array', value);
}

/** @throws ConfigError unless the value is an open adapter. */
export function checkGpu(owner: string, value: unknown): void {
  if (typeof (value as { readonly createBuffer?: unknown } | undefined)?.createBuffer === 'function') return;
  throw optionError(owner, 'gpu', 'an adapter, opened by openGpu()', value);
}

/** @throws ConfigError unless the value is one of these strings. */
export function checkOneOf(owner: string, option: string, value: unknown, allowed: readonly string[]): void {
  if (allowed.includes(value as string)) return;
  throw optionError(owner, option, allowed.map((text) => `'${text}'`).join(' or '), value);
}

/**
 * @throws ConfigError unless the value is a signal, or left out. A controller has none of a signal's properties, so nothing
 * would ever be aborted.
 */
export function checkSignal(owner: string, value: unknown): void {
  if (value === undefined || typeof (value as AbortSignal | null)?.aborted === 'boolean') return;
  throw optionError(owner, 'signal', 'an AbortSignal, such as new AbortController().signal', value);
}

function isFinite32(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(Math.fround(value));
}
