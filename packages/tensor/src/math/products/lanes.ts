/** The result of one load: one value, or four adjacent in memory. */
export interface LoadForm {
  readonly width: 1 | 4;
  /**
   * The axis of the four values: along the result's rows (or columns, for the column operand), or along the reduction.
   */
  readonly along: 'result' | 'steps';
}

/**
 * How lanes that share are distributed over the loads of an operand: `results * steps` lanes load in parallel,
 * `results` of them along the rows (or columns) and `steps` along the reduction. Both are 1 if nothing is shared.
 */
export interface Lanes {
  readonly results: number;
  readonly steps: number;
  /** The axis that neighbouring lanes run over: the contiguous one in memory. */
  readonly first: 'results' | 'steps';
  /** Number of loads, consecutive along the result, of one lane before those of the next lane begin. */
  readonly neighbours: number;
  /** Number of steps of the reduction that a lane covers before those of the next lane begin. */
  readonly depth: number;
}

/** Steps that one load of an operand covers, over all lanes. */
export function stepsOfLoad(lanes: Lanes): number {
  return lanes.steps * lanes.depth;
}

/** Steps of one round: the requested number, rounded up to a whole number of loads of both operands. */
export function stepsOfRound(unroll: number, rows: Lanes, columns: Lanes): number {
  const least = Math.max(stepsOfLoad(rows), stepsOfLoad(columns));
  return Math.ceil(unroll / least) * least;
}

/** Distributes lanes over the loads of `results` rows (or columns), and the rest over the reduction. */
export function lanesFor(count: number, results: number, form: LoadForm): Lanes {
  const loads = form.along === 'result' ? results / form.width : results;
  let along = count;
  while (loads % along !== 0) along /= 2;
  const first = form.along === 'result' ? 'results' : 'steps';
  const depth = form.along === 'steps' ? form.width : 1;
  return { results: along, steps: count / along, first, neighbours: 1, depth };
}
