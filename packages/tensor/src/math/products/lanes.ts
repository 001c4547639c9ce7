import type { ProductTile } from './tile-size.js';

/** What one load brings: one value, or four neighbours in memory. */
export interface LoadForm {
  readonly width: 1 | 4;
  /** Where the four lie: along the result's rows (or columns, for the column operand), or along the reduction. */
  readonly along: 'result' | 'steps';
}

/**
 * How the lanes of those who share lie over the loads of the row operand: `rows * steps` lanes load side by side, `rows` of
 * them along the rows and `steps` along the reduction. Both are 1 where nobody shares.
 */
export interface Lanes {
  readonly rows: number;
  readonly steps: number;
  /** Which of the two neighbouring lanes run over: the one that is contiguous in memory. */
  readonly first: 'rows' | 'steps';
}

/** Steps that one load of the row operand covers, by all lanes together. */
export function stepsOfLoad(form: LoadForm, lanes: Lanes): number {
  return lanes.steps * (form.along === 'steps' ? form.width : 1);
}

/** Steps of one round: what was asked for, rounded up to a whole number of loads of either operand. */
export function stepsOfRound(tile: ProductTile, lanes: Lanes, rowForm: LoadForm, columnForm: LoadForm): number {
  const columnSteps = columnForm.along === 'steps' ? columnForm.width : 1;
  const least = Math.max(stepsOfLoad(rowForm, lanes), columnSteps);
  return Math.ceil(tile.unroll / least) * least;
}

/** Lays so many lanes (a power of two) over the loads of the rows, and what is left over the reduction. */
export function lanesFor(count: number, tile: ProductTile, form: LoadForm): Lanes {
  const loads = form.along === 'result' ? tile.rows / form.width : tile.rows;
  let rows = count;
  while (loads % rows !== 0) rows /= 2;
  return { rows, steps: count / rows, first: form.along === 'result' ? 'rows' : 'steps' };
}
