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
}

/**
 * Who hands the values of the row operand round, which all invocations of a workgroup need: nobody (each loads all of
 * them), the subgroup by broadcast, or the workgroup through memory of its own. Each is a family of kernels.
 */
export type Share = 'none' | 'subgroup' | 'workgroup';

/** One way to compute a product. */
export interface ProductChoice {
  readonly share: Share;
  /** The most values that a load brings. */
  readonly width: 1 | 4;
  readonly tile: ProductTile;
}

/** All that a kernel needs to know of a choice. */
export interface ProductPlan {
  readonly share: Share;
  readonly tile: ProductTile;
  readonly lanes: Lanes;
  readonly rowForm: LoadForm;
  readonly columnForm: LoadForm;
  /** Steps of the reduction in a round of the loop. */
  readonly roundSteps: number;
  /** Split-K: into how many pieces a long reduction is cut, where the results alone give too few workgroups. */
  readonly splitK: number;
}
