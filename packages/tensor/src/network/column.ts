import { ConfigError } from '../errors.js';
import type { Column } from './layer.js';

/**
 * The share of an amount (filters, groups, units) that a column of a network gets.
 *
 * @param what - what is divided, for the error
 * @param remedy - what would fit, for the error; default: a multiple of the number of columns
 * @throws ConfigError if the amount cannot be divided evenly among the columns
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
