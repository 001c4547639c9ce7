import type { SubgroupMatrix } from '../../adapter/subgroups.js';
import type { Lanes, LoadForm } from './lanes.js';
import type { ProductTile } from './tile-size.js';

/** The memory layout of one operand: its contiguous axis, and the number of consecutive values. */
export interface Side {
  readonly along: LoadForm['along'];
  readonly contiguous: number;
}

/** A product as seen by its kernel. */
export interface ProductShape {
  /** Of one result. */
  readonly rows: number;
  readonly columns: number;
  /** Number of results of this size. */
  readonly batches: number;
  /** Steps of one reduction, and the number of reductions in a sum. Default: 1. */
  readonly depth: number;
  readonly reductions?: number;
  readonly rowSide: Side;
  readonly columnSide: Side;
  /** Whether the kernel always runs over the whole reduction: no split-K. */
  readonly uncut?: boolean;
  /** Whether an operand is stored as f16, so that rounding the other one to f16 loses little. */
  readonly halves?: boolean;
}

/**
 * How invocations share values: not at all (each loads its own); by broadcasting row values within the subgroup; or by
 * staging rows and columns in workgroup memory, for the invocations or for the matrix units of the subgroups. Each is a
 * family of kernels.
 */
export type Share = 'none' | 'subgroup' | 'workgroup' | 'matrix';

/** Whether kernels of a family stage their operands in workgroup memory. */
export function isStaged(share: Share): boolean {
  return share === 'workgroup' || share === 'matrix';
}

/** One way to compute a product. */
export interface ProductChoice {
  readonly share: Share;
  /** The most values per load. */
  readonly width: 1 | 4;
  readonly tile: ProductTile;
  /** Split-K: the number of parts of the reduction. Default: what keeps the adapter busy. */
  readonly splitK?: number;
}

/** Everything that a kernel needs to know about a choice. */
export interface ProductPlan {
  readonly share: Share;
  readonly tile: ProductTile;
  /** Rows and columns of the result that a workgroup computes. */
  readonly blockRows: number;
  readonly blockColumns: number;
  /** The lanes over the row operand, and how they load. */
  readonly lanes: Lanes;
  readonly rowForm: LoadForm;
  /** The same for the column operand. */
  readonly columnLanes: Lanes;
  readonly columnForm: LoadForm;
  /** Number of loads of an invocation along the columns: the `at_LOAD` that operands use. */
  readonly columnLoads: number;
  /** Number of consecutive columns of a stored result: a single value, or a `vec4f`. */
  readonly resultWidth: 1 | 4;
  /** The size of the matrix units, if the kernel uses them, and the lanes of a subgroup. */
  readonly matrix?: SubgroupMatrix & { readonly subgroupSize: number };
  /** Steps of the reduction per round of the loop. */
  readonly roundSteps: number;
  /** Split-K: the number of parts of a long reduction, if the results alone give too few workgroups. */
  readonly splitK: number;
}
