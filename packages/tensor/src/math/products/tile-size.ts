/** What a product kernel can be tuned by. The choice changes speed, and the result by rounding only. */
export interface ProductTile {
  /** Rows of the result that one invocation holds in registers. */
  readonly rows: number;
  /** Columns of the result that one invocation holds in registers. */
  readonly columns: number;
  /** Invocations of a workgroup; they lie over columns, or over both. A multiple of the subgroup size. */
  readonly workgroupSize: number;
  /** How many of them lie over rows, where they share rows and columns; 1. */
  readonly invocationRows?: number;
  /** Steps of the reduction in one round of the loop (rounded up to what the lanes of a subgroup load at once). */
  readonly unroll: number;
}
