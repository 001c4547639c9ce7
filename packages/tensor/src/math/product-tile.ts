import type { Gpu } from '../adapter/gpu.js';
import type { LoadForm } from './product-kernel.js';

/** What a product kernel can be tuned by. The choice changes speed, and the result by rounding only. */
export interface ProductTile {
  /** Rows of the result that one invocation holds in registers. */
  readonly rows: number;
  /** Columns of the result that one invocation holds in registers. */
  readonly columns: number;
  /** Invocations of a workgroup; they lie over columns. A multiple of the subgroup size. */
  readonly workgroupSize: number;
  /** Steps of the reduction in one round of the loop (rounded up to what the lanes of a subgroup load at once). */
  readonly unroll: number;
}

interface Tuning {
  /** The largest tile where rows lie side by side in memory, and where steps of the reduction do. */
  readonly tile: { readonly result: ProductTile; readonly steps: ProductTile };
  /** Workgroups that keep all of the adapter busy. */
  readonly busy: number;
}

/** Measured on SwiftShader (4 lanes) and lavapipe (8 lanes), see `docs/performance.md`. */
const tunings: Readonly<Record<number, Tuning>> = {
  4: {
    tile: {
      result: { rows: 32, columns: 16, workgroupSize: 4, unroll: 4 },
      steps: { rows: 32, columns: 4, workgroupSize: 4, unroll: 4 },
    },
    busy: 8,
  },
  8: {
    tile: {
      result: { rows: 32, columns: 8, workgroupSize: 8, unroll: 2 },
      steps: { rows: 32, columns: 4, workgroupSize: 8, unroll: 4 },
    },
    busy: 8,
  },
};

/** No subgroups: every invocation loads all it needs. */
const plain: Tuning = {
  tile: {
    result: { rows: 8, columns: 4, workgroupSize: 64, unroll: 1 },
    steps: { rows: 8, columns: 4, workgroupSize: 64, unroll: 4 },
  },
  busy: 64,
};

/** Subgroups of hardware: little is held in registers, so that many workgroups hide the time that loads take. */
const hardware: Tuning = {
  tile: {
    result: { rows: 8, columns: 4, workgroupSize: 64, unroll: 4 },
    steps: { rows: 8, columns: 4, workgroupSize: 64, unroll: 4 },
  },
  busy: 512,
};

function tuningOf(gpu: Pick<Gpu, 'subgroupSize'>): Tuning {
  if (gpu.subgroupSize === undefined) return plain;
  return tunings[gpu.subgroupSize] ?? hardware;
}

/** How a product reads its operands. */
export interface ProductForms {
  readonly rows: LoadForm;
  readonly columns: LoadForm;
}

/** Rows are loaded four at a time where the side that is contiguous in memory is a multiple of four. */
export function rowForm(along: LoadForm['along'], contiguous: number): LoadForm {
  return { along, width: contiguous % 4 === 0 ? 4 : 1 };
}

/** Columns likewise, unless four a lane would leave lanes without any of the `columns`. */
export function columnForm(
  gpu: Pick<Gpu, 'subgroupSize'>,
  along: LoadForm['along'],
  contiguous: number,
  columns: number,
): LoadForm {
  const enough = along === 'steps' || columns >= 4 * (gpu.subgroupSize ?? 1);
  return { along, width: contiguous % 4 === 0 && enough ? 4 : 1 };
}

/** A tile for a product of this size on this adapter; `wanted` overrides single values. */
export function chooseTile(
  gpu: Pick<Gpu, 'subgroupSize'>,
  size: { readonly rows: number; readonly columns: number },
  forms: ProductForms,
  wanted: Partial<ProductTile> = {},
): ProductTile {
  const largest = tuningOf(gpu).tile[forms.columns.along];
  const lanes = gpu.subgroupSize ?? 1;
  const rowWidth = forms.rows.along === 'result' ? forms.rows.width : 1;
  const columnWidth = forms.columns.along === 'result' ? forms.columns.width : 1;
  const rows = wanted.rows ?? leastWork(size.rows, largest.rows, rowWidth);
  // One column a lane where four are not loaded at once needs no more registers than that.
  const most = forms.columns.along === 'result' && columnWidth === 1 ? Math.min(2, largest.columns) : largest.columns;
  const loads = Math.ceil(size.columns / columnWidth);
  const columnLoads = Math.max(1, Math.min(most / columnWidth, Math.ceil(loads / lanes)));
  const columns = wanted.columns ?? Math.floor(columnLoads) * columnWidth;
  const needed = Math.ceil(size.columns / (columns * lanes)) * lanes;
  return {
    rows,
    columns,
    workgroupSize: wanted.workgroupSize ?? Math.min(Math.max(lanes, largest.workgroupSize), needed),
    unroll: wanted.unroll ?? largest.unroll,
  };
}

/** Into how many parts a long reduction is cut where the results alone give too few workgroups. */
export function chooseParts(
  gpu: Pick<Gpu, 'subgroupSize'>,
  tile: ProductTile,
  size: { readonly rows: number; readonly columns: number; readonly batches: number; readonly depth: number },
): number {
  const blocks =
    Math.ceil(size.rows / tile.rows) * Math.ceil(size.columns / (tile.columns * tile.workgroupSize)) * size.batches;
  const shortest = 256;
  return Math.max(1, Math.min(Math.ceil(tuningOf(gpu).busy / blocks), Math.floor(size.depth / shortest)));
}

/** The number of rows (a multiple of 4) whose blocks cost least: every block loads the columns anew, about 4 rows' work. */
function leastWork(rows: number, most: number, width: number): number {
  if (rows < 4) return rows;
  let best = most;
  const work = (height: number) => Math.ceil(rows / height) * (height + 4);
  for (let height = most; height >= Math.max(4, width); height -= 4) if (work(height) < work(best)) best = height;
  return best;
}
