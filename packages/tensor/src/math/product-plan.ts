import type { Gpu } from '../adapter/gpu.js';
import { type Lanes, type LoadForm, lanesFor, type Share, stepsOfRound } from './product-kernel.js';

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
  /** Into how many parts a long reduction is cut, where the results alone give too few workgroups. */
  readonly parts: number;
}

interface Tuning {
  /** Tiles to choose from: where both operands load along the result, or either along the steps of the reduction. */
  readonly tiles: { readonly result: readonly ProductTile[]; readonly steps: readonly ProductTile[] };
  /** A tile that only a tuner should choose, for products along the result. */
  readonly forTuner?: ProductTile;
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

/**
 * Shared by subgroups of so many lanes: measured on SwiftShader (4) and lavapipe (8), see `docs/performance.md`. Barriers
 * make these spill all their sums, so workgroups never share there.
 */
const software: Readonly<Record<number, Tuning>> = {
  4: {
    tiles: {
      result: [tile(32, 8, 4, 4), tile(16, 8, 4, 4), tile(8, 8, 4, 4), tile(4, 8, 4, 4)],
      steps: [tile(32, 4, 4, 4), tile(16, 4, 4, 4), tile(8, 4, 4, 4), tile(4, 4, 4, 4)],
    },
    // A quarter faster, but this driver compiles it for over a second, at every start.
    forTuner: tile(32, 16, 4, 4),
    load: 20,
    busy: 8,
  },
  8: {
    tiles: {
      result: [
        tile(32, 8, 8, 2),
        tile(32, 4, 8, 2),
        tile(48, 4, 8, 2),
        tile(16, 8, 8, 2),
        tile(8, 8, 8, 2),
        tile(4, 8, 8, 2),
      ],
      steps: [tile(32, 4, 8, 4), tile(16, 4, 8, 4), tile(8, 4, 8, 4), tile(4, 4, 8, 4)],
    },
    load: 40,
    busy: 8,
  },
};

/** Nobody shares: every invocation loads all it needs. */
const alone: Tuning = {
  tiles: {
    result: [tile(8, 4, 64, 1), tile(4, 4, 64, 1), tile(8, 8, 64, 1)],
    steps: [tile(8, 4, 64, 4), tile(4, 4, 64, 4), tile(4, 2, 64, 4)],
  },
  load: 4,
  busy: 64,
};

/** Subgroups of hardware: little is held in registers, so that many workgroups hide the time that loads take. */
const subgroups: Tuning = {
  tiles: {
    result: [tile(8, 4, 64, 4), tile(4, 4, 64, 4), tile(8, 8, 64, 2), tile(16, 4, 64, 2)],
    steps: [tile(8, 4, 64, 4), tile(4, 4, 64, 4), tile(8, 2, 64, 4)],
  },
  load: 8,
  busy: 512,
};

/** Workgroups of hardware: a column load serves many rows, for the memory behind it is slower than the sums. Not measured. */
const workgroups: Tuning = {
  tiles: {
    result: [tile(16, 4, 64, 8), tile(32, 4, 64, 8), tile(8, 4, 64, 8), tile(16, 4, 128, 8), tile(16, 8, 64, 8)],
    steps: [tile(16, 4, 64, 8), tile(16, 2, 64, 8), tile(8, 4, 64, 8), tile(16, 4, 128, 8)],
  },
  load: 8,
  busy: 512,
};

type Adapter = Pick<Gpu, 'subgroupSize'> & { readonly description: Pick<Gpu['description'], 'kind'> };

/** Who may share on an adapter, the likeliest to be fast first. */
function sharesOn({ subgroupSize, description }: Adapter): Share[] {
  const known = subgroupSize !== undefined && subgroupSize in software;
  if (known || description.kind === 'software') return subgroupSize === undefined ? ['none'] : ['subgroup', 'none'];
  return subgroupSize === undefined ? ['workgroup', 'none'] : ['workgroup', 'subgroup', 'none'];
}

function tuningOf({ subgroupSize }: Pick<Gpu, 'subgroupSize'>, share: Share): Tuning {
  if (share === 'none') return alone;
  return share === 'workgroup' ? workgroups : (software[subgroupSize!] ?? subgroups);
}

/** How many invocations share. */
function lanesOf({ subgroupSize }: Pick<Gpu, 'subgroupSize'>, share: Share, tile: ProductTile): number {
  return { none: 1, subgroup: subgroupSize ?? 1, workgroup: tile.workgroupSize }[share];
}

/** Ways to compute a product on this adapter, the likeliest to be fast first, and one that is right everywhere. */
export function productChoices(
  gpu: Adapter,
  shape: ProductShape,
): { readonly candidates: readonly ProductChoice[]; readonly plain: ProductChoice } {
  const [first, ...others] = sharesOn(gpu).map((share) =>
    tilesFor(gpu, shape, share, 4).map((tile): ProductChoice => ({ share, width: 4, tile })),
  );
  // The best of every kind comes before the last of any.
  const candidates = [
    ...first!.slice(0, 2),
    ...others.map(([best]) => best!),
    ...first!.slice(2),
    ...others.flatMap(([, ...rest]) => rest),
  ];
  return { candidates, plain: { share: 'none', width: 1, tile: tilesFor(gpu, shape, 'none', 1)[0]! } };
}

/** Works a choice out for a product of this shape. */
export function planProduct(
  gpu: Pick<Gpu, 'subgroupSize'>,
  shape: ProductShape,
  { share, width, tile }: ProductChoice,
): ProductPlan {
  const { rowForm, columnForm } = formsOf(shape, lanesOf(gpu, share, tile), width);
  const lanes = lanesFor(lanesOf(gpu, share, tile), tile, rowForm);
  return {
    share,
    tile,
    lanes,
    rowForm,
    columnForm,
    roundSteps: stepsOfRound(tile, lanes, rowForm, columnForm),
    parts: partsOf(shape, tile, tuningOf(gpu, share).busy),
  };
}

/** Four values at a time where what is contiguous in memory is a multiple of four, unless lanes would be left without columns. */
function formsOf({ columns, rowSide, columnSide }: ProductShape, lanes: number, width: 1 | 4) {
  const form = ({ along, contiguous }: Side, enough: boolean): LoadForm => ({
    along,
    width: width === 4 && contiguous % 4 === 0 && enough ? 4 : 1,
  });
  return {
    rowForm: form(rowSide, true),
    columnForm: form(columnSide, columnSide.along === 'steps' || columns >= 4 * lanes),
  };
}

/** Tiles fitted to a product, the least work first. */
function tilesFor(gpu: Pick<Gpu, 'subgroupSize'>, shape: ProductShape, share: Share, width: 1 | 4): ProductTile[] {
  const { tiles, load, forTuner } = tuningOf(gpu, share);
  const formsFor = (tile: ProductTile) => formsOf(shape, lanesOf(gpu, share, tile), width);
  const { rowForm, columnForm } = formsFor(tiles.result[0]!);
  const alongSteps = rowForm.along === 'steps' || columnForm.along === 'steps';
  const largest = tiles[alongSteps ? 'steps' : 'result'];
  // A result of few rows needs no padding to a tile, where rows are loaded one by one.
  const oneByOne = rowForm.along === 'steps' || rowForm.width === 1;
  const shortest = oneByOne && shape.rows < 4 ? [{ ...largest[0]!, rows: shape.rows }] : [];
  const fitted = [...largest, ...shortest].map(fit);
  const ordered = fitted.sort((a, b) => cost(a) - cost(b));
  if (forTuner && !alongSteps) ordered.splice(1, 0, fit(forTuner));
  return [...new Map(ordered.map((tile) => [JSON.stringify(tile), tile])).values()];

  function fit(wanted: ProductTile): ProductTile {
    // Few columns need fewer invocations; those that share through a workgroup stay a power of two.
    let { workgroupSize } = wanted;
    if (share === 'workgroup') while (workgroupSize > 8 && workgroupSize / 2 >= shape.columns) workgroupSize /= 2;
    const lanes = lanesOf(gpu, share, { ...wanted, workgroupSize });
    const { columnForm } = formsOf(shape, lanes, width);
    const columnWidth = columnForm.along === 'result' ? columnForm.width : 1;
    // Where columns are loaded one by one, more than two a lane only cost registers.
    const most = columnForm.along === 'result' && columnWidth === 1 ? Math.min(2, wanted.columns) : wanted.columns;
    const loads = Math.ceil(shape.columns / columnWidth);
    const columns = Math.max(1, Math.min(most / columnWidth, Math.ceil(loads / lanes))) * columnWidth;
    const needed = Math.ceil(shape.columns / (columns * lanes)) * lanes;
    return {
      rows: wanted.rows,
      columns,
      workgroupSize: share === 'workgroup' ? workgroupSize : Math.min(Math.max(lanes, workgroupSize), needed),
      // Short reductions are written out whole, so that no loop and no rest is left.
      unroll: shape.depth <= 4 && lanes <= 16 ? shape.depth : wanted.unroll,
    };
  }

  function cost(tile: ProductTile): number {
    const { rows, columns, workgroupSize } = tile;
    const { rowForm, columnForm } = formsFor(tile);
    const blocks = Math.ceil(shape.rows / rows) * Math.ceil(shape.columns / (columns * workgroupSize)) * workgroupSize;
    const loads = rows / (rowForm.width * lanesOf(gpu, share, tile)) + columns / columnForm.width;
    return blocks * (rows * columns + load * loads);
  }
}

function partsOf(
  { rows, columns, batches, depth, reductions = 1 }: ProductShape,
  tile: ProductTile,
  busy: number,
): number {
  const blocks = Math.ceil(rows / tile.rows) * Math.ceil(columns / (tile.columns * tile.workgroupSize)) * batches;
  const shortest = 256;
  return Math.max(1, Math.min(Math.ceil(busy / blocks), Math.floor((depth * reductions) / shortest)));
}
