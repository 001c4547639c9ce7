import type { Gpu } from '../adapter/gpu.js';

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
  /** The largest tile. */
  readonly tile: ProductTile;
  /** Workgroups that keep all of the adapter busy. */
  readonly busy: number;
}

/** Measured on SwiftShader (4 lanes) and lavapipe (8 lanes), see `docs/performance.md`. */
const tunings: Readonly<Record<number, Tuning>> = {
  4: { tile: { rows: 16, columns: 4, workgroupSize: 4, unroll: 2 }, busy: 8 },
  8: { tile: { rows: 16, columns: 2, workgroupSize: 8, unroll: 2 }, busy: 8 },
};

/** No subgroups: every invocation loads all it needs. */
const plain: Tuning = { tile: { rows: 8, columns: 4, workgroupSize: 64, unroll: 1 }, busy: 64 };

/** Subgroups of hardware: little is held in registers, so that many workgroups hide the time that loads take. */
const hardware: Tuning = { tile: { rows: 8, columns: 4, workgroupSize: 64, unroll: 4 }, busy: 512 };

function tuningOf(gpu: Pick<Gpu, 'subgroupSize'>): Tuning {
  if (gpu.subgroupSize === undefined) return plain;
  return tunings[gpu.subgroupSize] ?? hardware;
}

/** A tile for a product of this size on this adapter; `wanted` overrides single values. */
export function chooseTile(
  gpu: Pick<Gpu, 'subgroupSize'>,
  size: { readonly rows: number; readonly columns: number },
  wanted: Partial<ProductTile> = {},
): ProductTile {
  const { tile } = tuningOf(gpu);
  const lanes = gpu.subgroupSize ?? 1;
  const rows = wanted.rows ?? leastWork(size.rows, tile.rows);
  const columns = wanted.columns ?? Math.max(1, Math.min(tile.columns, Math.ceil(size.columns / lanes)));
  const needed = Math.ceil(size.columns / (columns * lanes)) * lanes;
  const largest = Math.max(lanes, tile.workgroupSize);
  return {
    rows,
    columns,
    workgroupSize: wanted.workgroupSize ?? Math.min(largest, needed),
    unroll: wanted.unroll ?? tile.unroll,
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
function leastWork(rows: number, most: number): number {
  if (rows < 4) return rows;
  let best = most;
  const work = (height: number) => Math.ceil(rows / height) * (height + 4);
  for (let height = most; height >= 4; height -= 4) if (work(height) < work(best)) best = height;
  return best;
}
