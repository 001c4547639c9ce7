import type { Dispatch } from '../../kernel/recorder.js';
import type { ProductOperand } from './operand.js';
import type { OuterLoop, Reduction } from './reduction.js';
import type { ProductChoice, ProductPlan, ProductShape } from './shape.js';
import type { ProductAdapter, ProductGpu } from './table.js';

export interface ProductKernelOptions {
  /** What the kernel computes, in a few words, for the head of the text. */
  readonly title: string;
  readonly plan: Omit<ProductPlan, 'splitK'>;
  /** Of one result. */
  readonly rows: number;
  readonly columns: number;
  /** How many results of this size there are, each with a `batch` of its own. */
  readonly batches: number;
  readonly rowOperand: ProductOperand;
  readonly columnOperand: ProductOperand;
  readonly reduction: Reduction;
  /** Statements before all others, once, which may hold barriers. Only kernels that stage their operands run them. */
  readonly prepare?: string;
  /** Statements that the operands and `outer` build upon. */
  readonly setup?: string;
  /** Where sums run over more than one reduction, as over the places of a convolution's kernel. */
  readonly outer?: OuterLoop;
  /**
   * What is added to a sum, as WGSL: of a row, and of the columns of a load (`at_LOAD` and, where `plan.resultWidth` is 4,
   * the three after it: then a `vec4f`, or one value for all four). Default: 0.
   */
  initial?(row: string, load: number): string;
  /**
   * Statements that load what `store` needs beside the value, of a row and columns that exist; `id` tells apart what several
   * rows need, which is loaded before any of them is stored: no compiler moves a load across a store. Only kernels that
   * stage their operands run them.
   */
  ahead?(row: string, load: number, id: string): string;
  /**
   * Statements that keep the result of a row and the columns of a load, which exist: one value, or a `vec4f`. Kernels that do
   * not stage their operands may keep the last rows several times, always with the same value.
   */
  store(row: string, load: number, value: string, id: string): string;
  /**
   * Statements that keep the sum over all steps of what the row operand holds of a row, once for each row that exists. Only
   * kernels that stage their operands run them.
   */
  rowSums?(row: string, sum: string): string;
  /** WGSL of module scope. */
  readonly functions?: string;
}

/** One way to write a product's kernel. A new family is a file of its own, a name among `Share`, and rows of the table. */
export interface ProductFamily {
  /** Ways to compute a product by this family, the most likely to be fast first. */
  choices(gpu: ProductAdapter, shape: ProductShape, width: 1 | 4): ProductChoice[];
  /** Works a choice out for a product. */
  plan(gpu: ProductGpu, shape: ProductShape, choice: ProductChoice): ProductPlan;
  kernel(options: ProductKernelOptions): Pick<Dispatch, 'wgsl' | 'workgroups'>;
}
