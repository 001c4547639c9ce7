import type { Dispatch } from '../../kernel/recorder.js';
import type { ProductOperand } from './operand.js';
import type { OuterLoop, Reduction } from './reduction.js';
import type { ProductChoice, ProductPlan, ProductShape } from './shape.js';
import type { ProductAdapter, ProductGpu } from './table.js';

export interface ProductKernelOptions {
  /** What the kernel computes, in a few words, for the comment at the top of its text. */
  readonly title: string;
  readonly plan: Omit<ProductPlan, 'splitK'>;
  /** Of one result. */
  readonly rows: number;
  readonly columns: number;
  /** Number of results of this size, each with its own `batch`. */
  readonly batches: number;
  readonly rowOperand: ProductOperand;
  readonly columnOperand: ProductOperand;
  readonly reduction: Reduction;
  /**
   * Statements that run once before all others, and may contain barriers. Only kernels that stage their operands run
   * them.
   */
  readonly prepare?: string;
  /** Statements that the operands and `outer` depend on. */
  readonly setup?: string;
  /** If sums run over more than one reduction, such as the positions of a convolution's kernel. */
  readonly outer?: OuterLoop;
  /**
   * The initial value of a sum, as WGSL, for a row and the columns of a load (`at_LOAD` and, if `plan.resultWidth` is
   * 4, the three after it: then a `vec4f`, or one value for all four). Default: 0.
   */
  initial?(row: string, load: number): string;
  /**
   * Statements that load what `store` needs besides the value, for a row and columns that exist; `id` distinguishes the
   * values of several rows, which are all loaded before any row is stored: no compiler moves a load across a store. Only
   * kernels that stage their operands run them.
   */
  ahead?(row: string, load: number, id: string): string;
  /**
   * Statements that keep the result of a row and the columns of a load, which exist: one value, or a `vec4f`. Kernels that do
   * not stage their operands may keep the last rows several times, always with the same value.
   */
  store(row: string, load: number, value: string, id: string): string;
  /**
   * Statements that keep the sum of the row operand over all steps of a row, once for each row that exists. Only
   * kernels that stage their operands run them.
   */
  rowSums?(row: string, sum: string): string;
  /** WGSL of module scope. */
  readonly functions?: string;
}

/** One implementation of a product's kernel. A new family is a new file, a name in `Share`, and rows of the table. */
export interface ProductFamily {
  /** Ways to compute a product by this family, the most likely to be fast first. */
  choices(gpu: ProductAdapter, shape: ProductShape, width: 1 | 4): ProductChoice[];
  /** Turns a choice into a plan for a product. */
  plan(gpu: ProductGpu, shape: ProductShape, choice: ProductChoice): ProductPlan;
  kernel(options: ProductKernelOptions): Pick<Dispatch, 'wgsl' | 'workgroups'>;
}
