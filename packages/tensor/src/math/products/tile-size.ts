/** The tunable parameters of a product kernel. They change the speed, and the result only by rounding. */
export interface ProductTile {
  /** Rows of the result that one invocation keeps in registers. */
  readonly rows: number;
  /** Columns of the result that one invocation keeps in registers. */
  readonly columns: number;
  /** Invocations of a workgroup, distributed over columns, or over both axes. A multiple of the subgroup size. */
  readonly workgroupSize: number;
  /** How many of them are along the rows, if they share rows and columns. Default: 1. */
  readonly invocationRows?: number;
  /** Steps of the reduction in one round of the loop (rounded up to what the lanes of a subgroup load at once). */
  readonly unroll: number;
}
