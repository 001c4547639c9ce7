import { createHash } from 'node:crypto';
import { version } from '../version.js';

/**
 * What must be the same on all ranks of a command, with its names.
 *
 * @param options those that may not differ
 */
export function commandFacts(options: object): Record<string, string> {
  const sorted = Object.entries(options).sort(([one], [other]) => (one < other ? -1 : 1));
  return { 'the version of alexnet': version, 'the options (as a hash)': shortHash(sorted) };
}

export function shortHash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12);
}
