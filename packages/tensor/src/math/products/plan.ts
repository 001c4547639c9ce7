import type { Gpu } from '../../adapter/gpu.js';
import { families } from './families.js';
import { type LoadForm, lanesFor, stepsOfRound } from './lanes.js';
import type { ProductChoice, ProductPlan, ProductShape, Share, Side } from './shape.js';
import { type ProductAdapter, productRow, productRows } from './table.js';
import type { ProductTile } from './tile-size.js';

/** Ways to compute a product on this adapter, the most likely to be fast first, and one that is right everywhere. */
export function productChoices(
  gpu: ProductAdapter,
  shape: ProductShape,
): { readonly candidates: readonly ProductChoice[]; readonly plain: ProductChoice } {
  const [first, ...others] = productRows(gpu).map(({ share }) =>
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
  const { rowForm, columnForm } = formsOf(shape, families[share].lanes(gpu, tile), width);
  const lanes = lanesFor(families[share].lanes(gpu, tile), tile, rowForm);
  return {
    share,
    tile,
    lanes,
    rowForm,
    columnForm,
    roundSteps: stepsOfRound(tile, lanes, rowForm, columnForm),
    splitK: splitKOf(shape, tile, productRow(gpu, share).busy),
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
  const { tiles, load, forTuner } = productRow(gpu, share);
  const formsFor = (tile: ProductTile) => formsOf(shape, families[share].lanes(gpu, tile), width);
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
    const lanes = families[share].lanes(gpu, { ...wanted, workgroupSize });
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
    const loads = rows / (rowForm.width * families[share].lanes(gpu, tile)) + columns / columnForm.width;
    return blocks * (rows * columns + load * loads);
  }
}

function splitKOf(
  { rows, columns, batches, depth, reductions = 1 }: ProductShape,
  tile: ProductTile,
  busy: number,
): number {
  const blocks = Math.ceil(rows / tile.rows) * Math.ceil(columns / (tile.columns * tile.workgroupSize)) * batches;
  const shortest = 256;
  return Math.max(1, Math.min(Math.ceil(busy / blocks), Math.floor((depth * reductions) / shortest)));
}
