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
  /** Tiles to choose from: where both operands load along the result, or either along the steps of the reduction. */
  readonly tiles: { readonly result: readonly ProductTile[]; readonly steps: readonly ProductTile[] };
  /** What a load costs, in multiply-adds. */
  readonly load: number;
  /** Workgroups that keep all of the adapter busy. */
  readonly busy: number;
}

const tile = (rows: number, columns: number, workgroupSize: number, unroll: number): ProductTile => ({
  rows,
  columns,
  workgroupSize,
  unroll,
});

/** Measured on SwiftShader (4 lanes) and lavapipe (8 lanes), see `docs/performance.md`. */
const tunings: Readonly<Record<number, Tuning>> = {
  4: {
    tiles: {
      result: [tile(32, 16, 4, 4), tile(16, 16, 4, 4), tile(8, 16, 4, 4), tile(4, 16, 4, 4)],
      steps: [tile(32, 4, 4, 4), tile(16, 4, 4, 4), tile(8, 4, 4, 4), tile(4, 4, 4, 4)],
    },
    load: 20,
    busy: 8,
  },
  8: {
    tiles: {
      result: [tile(32, 8, 8, 2), tile(48, 4, 8, 2), tile(16, 8, 8, 2), tile(8, 8, 8, 2), tile(4, 8, 8, 2)],
      steps: [tile(32, 4, 8, 4), tile(16, 4, 8, 4), tile(8, 4, 8, 4), tile(4, 4, 8, 4)],
    },
    load: 40,
    busy: 8,
  },
};

/** No subgroups: every invocation loads all it needs. */
const plain: Tuning = {
  tiles: {
    result: [tile(8, 4, 64, 1), tile(4, 4, 64, 1)],
    steps: [tile(8, 4, 64, 4), tile(4, 4, 64, 4)],
  },
  load: 4,
  busy: 64,
};

/** Subgroups of hardware: little is held in registers, so that many workgroups hide the time that loads take. */
const hardware: Tuning = {
  tiles: {
    result: [tile(8, 4, 64, 4), tile(4, 4, 64, 4)],
    steps: [tile(8, 4, 64, 4), tile(4, 4, 64, 4)],
  },
  load: 8,
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
  return { ...tileCandidates(gpu, size, forms)[0]!, ...wanted };
}

/** Tiles that suit a product of this size, the likeliest first. */
export function tileCandidates(
  gpu: Pick<Gpu, 'subgroupSize'>,
  size: { readonly rows: number; readonly columns: number },
  forms: ProductForms,
): ProductTile[] {
  const { tiles, load } = tuningOf(gpu);
  const largest = tiles[forms.rows.along === 'steps' || forms.columns.along === 'steps' ? 'steps' : 'result'];
  const lanes = gpu.subgroupSize ?? 1;
  const rowWidth = forms.rows.along === 'result' ? forms.rows.width : 1;
  const columnWidth = forms.columns.along === 'result' ? forms.columns.width : 1;
  // A result of few rows needs no padding to a tile, where rows are loaded one by one.
  const shortest = rowWidth === 1 && size.rows < 4 ? [{ ...largest[0]!, rows: size.rows }] : [];
  const fitted = [...largest, ...shortest].map((tile) => {
    // Where columns are loaded one by one, more than two a lane only cost registers.
    const most = forms.columns.along === 'result' && columnWidth === 1 ? Math.min(2, tile.columns) : tile.columns;
    const loads = Math.ceil(size.columns / columnWidth);
    const columns = Math.max(1, Math.min(most / columnWidth, Math.ceil(loads / lanes))) * columnWidth;
    const needed = Math.ceil(size.columns / (columns * lanes)) * lanes;
    return { ...tile, columns, workgroupSize: Math.min(Math.max(lanes, tile.workgroupSize), needed) };
  });
  const cost = ({ rows, columns, workgroupSize }: ProductTile) => {
    const blocks = Math.ceil(size.rows / rows) * Math.ceil(size.columns / (columns * workgroupSize)) * workgroupSize;
    const loads = rows / (forms.rows.width * lanes) + columns / forms.columns.width;
    return blocks * (rows * columns + load * loads);
  };
  const unique = new Map(fitted.map((tile) => [JSON.stringify(tile), tile]));
  return [...unique.values()].sort((a, b) => cost(a) - cost(b));
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
