/** What one load brings: one value, or four neighbours in memory. */
export interface LoadForm {
  readonly width: 1 | 4;
  /** Where the four lie: along the result's rows (or columns, for the column operand), or along the reduction. */
  readonly along: 'result' | 'steps';
}

/**
 * How the lanes of those who share lie over the loads of an operand: `results * steps` lanes load side by side, `results`
 * of them along the rows (or columns) and `steps` along the reduction. Both are 1 where nobody shares.
 */
export interface Lanes {
  readonly results: number;
  readonly steps: number;
  /** Which of the two neighbouring lanes run over: the one that is contiguous in memory. */
  readonly first: 'results' | 'steps';
  /** How many loads that are neighbours along the result a lane makes before the next lane's begin. */
  readonly neighbours: number;
  /** How many steps of the reduction a lane covers before the next lane's begin. */
  readonly depth: number;
}

/** Steps that one load of an operand covers, by all lanes together. */
export function stepsOfLoad(lanes: Lanes): number {
  return lanes.steps * lanes.depth;
}

/** Steps of one round: what was asked for, rounded up to a whole number of loads of either operand. */
export function stepsOfRound(unroll: number, rows: Lanes, columns: Lanes): number {
  const least = Math.max(stepsOfLoad(rows), stepsOfLoad(columns));
  return Math.ceil(unroll / least) * least;
}

/** Lays so many lanes over the loads of `results` rows (or columns), and what is left over the reduction. */
export function lanesFor(count: number, results: number, form: LoadForm): Lanes {
  const loads = form.along === 'result' ? results / form.width : results;
  let along = count;
  while (loads % along !== 0) along /= 2;
  const first = form.along === 'result' ? 'results' : 'steps';
  const depth = form.along === 'steps' ? form.width : 1;
  return { results: along, steps: count / along, first, neighbours: 1, depth };
}
