import type { SubgroupMatrix } from '../../adapter/subgroups.js';
import type { Lanes, LoadForm } from './lanes.js';
import type { ProductTile } from './tile-size.js';

/** How one operand lies in memory: which way neighbours go, and how many there are in a row. */
export interface Side {
  readonly along: LoadForm['along'];
  readonly contiguous: number;
}

/** A product as its kernel sees it. */
export interface ProductShape {
  /** Of one result. */
  readonly rows: number;
  readonly columns: number;
  /** How many results of this size there are. */
  readonly batches: number;
  /** Steps of one reduction, and over how many of them a sum runs; 1. */
  readonly depth: number;
  readonly reductions?: number;
  readonly rowSide: Side;
  readonly columnSide: Side;
  /** Whether the kernel runs over the whole reduction in any case: no split-K. */
  readonly uncut?: boolean;
  /** Whether an operand is stored as f16, so that rounding the other to f16 loses no more than there is. */
  readonly halves?: boolean;
}

/**
 * Who hands round the values that several invocations of a workgroup need: nobody (each loads all of them), the subgroup
 * those of the rows by broadcast, or the workgroup those of rows and columns through memory of its own, from where its
 * invocations take them, or the matrix units of its subgroups. Each is a family of kernels.
 */
export type Share = 'none' | 'subgroup' | 'workgroup' | 'matrix';

/** Whether kernels of a family stage their operands in memory of the workgroup. */
export function isStaged(share: Share): boolean {
  return share === 'workgroup' || share === 'matrix';
}

/** One way to compute a product. */
export interface ProductChoice {
  readonly share: Share;
  /** The most values that a load brings. */
  readonly width: 1 | 4;
  readonly tile: ProductTile;
  /** Split-K: into how many pieces the reduction is cut. Default: what keeps the adapter busy. */
  readonly splitK?: number;
}

/** All that a kernel needs to know of a choice. */
export interface ProductPlan {
  readonly share: Share;
  readonly tile: ProductTile;
  /** Rows and columns of the result that a workgroup computes. */
  readonly blockRows: number;
  readonly blockColumns: number;
  /** The lanes over the row operand, and how they load. */
  readonly lanes: Lanes;
  readonly rowForm: LoadForm;
  /** The same of the column operand. */
  readonly columnLanes: Lanes;
  readonly columnForm: LoadForm;
  /** How many loads along the columns an invocation makes: the `at_LOAD` that operands see. */
  readonly columnLoads: number;
  /** How many neighbouring columns a result has that is stored: a value, or a `vec4f`. */
  readonly resultWidth: 1 | 4;
  /** What matrix units multiply, where the kernel uses them, and the lanes of a subgroup. */
  readonly matrix?: SubgroupMatrix & { readonly subgroupSize: number };
  /** Steps of the reduction in a round of the loop. */
  readonly roundSteps: number;
  /** Split-K: into how many pieces a long reduction is cut, where the results alone give too few workgroups. */
  readonly splitK: number;
}
