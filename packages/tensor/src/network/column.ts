import { ConfigError } from '../errors.js';
import type { Column } from './layer.js';

/**
 * How much of an amount (filters, groups, units) a column of a network holds.
 *
 * @param what - what is divided, for the error
 * @param remedy - what would fit, for the error; default: a multiple of the number of columns
 * @throws ConfigError where the amount does not divide evenly into the columns
 */
export function shareOfColumn(
  owner: string,
  what: string,
  amount: number,
  { index, count, span = 1 }: Column,
  remedy = `a multiple of ${count}`,
): number {
  if ((amount * index) % count !== 0 || (amount * span) % count !== 0) {
    throw new ConfigError(`${owner}: ${amount} ${what} cannot be divided into ${count} columns; give ${remedy}`);
  }
  return (amount * span) / count;
}
