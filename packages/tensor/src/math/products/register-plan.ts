import type { Gpu } from '../../adapter/gpu.js';
import type { ProductFamily } from './family.js';
import { type LoadForm, lanesFor, stepsOfRound } from './lanes.js';
import type { ProductShape, Share, Side } from './shape.js';
import { productRow } from './table.js';
import type { ProductTile } from './tile-size.js';

/** How many invocations share the row values that one of them loads. */
type LaneCount = (gpu: Pick<Gpu, 'subgroupSize'>) => number;

/** Plans kernels whose invocations are distributed over columns, with some rows each in registers. */
export const registerPlan =
  (lanesOf: LaneCount): ProductFamily['plan'] =>
  (gpu, shape, { share, width, tile, splitK }) => {
    const { rowForm, columnForm } = formsOf(shape, lanesOf(gpu), width);
    const lanes = lanesFor(lanesOf(gpu), tile.rows, rowForm);
    const columnLanes = lanesFor(1, tile.columns, columnForm);
    const columnWidth = columnForm.along === 'result' ? columnForm.width : 1;
    return {
      ...{ share, tile, lanes, rowForm, columnLanes, columnForm },
      blockRows: tile.rows,
      blockColumns: tile.columns * tile.workgroupSize,
      columnLoads: tile.columns / columnWidth,
      resultWidth: columnWidth,
      roundSteps: stepsOfRound(tile.unroll, lanes, columnLanes),
      splitK: splitK ?? splitKOf(shape, tile, productRow(gpu, share).busy),
    };
  };

/** Four values at a time if the contiguous axis is a multiple of four, unless lanes would be left without columns. */
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

/** Tiles suited to a product, the least work first. */
export const registerChoices =
  (share: Share, lanesOf: LaneCount): ProductFamily['choices'] =>
  (gpu, shape, width) => {
    const { tiles, load = 0, forTuner } = productRow(gpu, share);
    const lanes = lanesOf(gpu);
    const { rowForm, columnForm } = formsOf(shape, lanes, width);
    const alongSteps = rowForm.along === 'steps' || columnForm.along === 'steps';
    const largest = tiles[alongSteps ? 'steps' : 'result'];
    // A result with few rows needs no padding to a tile if rows are loaded one by one.
    const oneByOne = rowForm.along === 'steps' || rowForm.width === 1;
    const shortest = oneByOne && shape.rows < 4 ? [{ ...largest[0]!, rows: shape.rows }] : [];
    const suited = [...largest, ...shortest].map(suit);
    const ordered = suited.sort((a, b) => cost(a) - cost(b));
    if (forTuner && !alongSteps) ordered.splice(1, 0, suit(forTuner));
    const different = new Map(ordered.map((tile) => [JSON.stringify(tile), tile]));
    return [...different.values()].map((tile) => ({ share, width, tile }));

    function suit(wanted: ProductTile): ProductTile {
      const columnWidth = columnForm.along === 'result' ? columnForm.width : 1;
      // If columns are loaded one by one, more than two per lane only cost registers.
      const most = columnForm.along === 'result' && columnWidth === 1 ? Math.min(2, wanted.columns) : wanted.columns;
      const loads = Math.ceil(shape.columns / columnWidth);
      const columns = Math.max(1, Math.min(most / columnWidth, Math.ceil(loads / lanes))) * columnWidth;
      const needed = Math.ceil(shape.columns / (columns * lanes)) * lanes;
      return {
        rows: wanted.rows,
        columns,
        workgroupSize: Math.min(Math.max(lanes, wanted.workgroupSize), needed),
        // Short reductions are fully unrolled, so that neither a loop nor a remainder is left.
        unroll: shape.depth <= 4 && lanes <= 16 ? shape.depth : wanted.unroll,
      };
    }

    function cost({ rows, columns, workgroupSize }: ProductTile): number {
      const blocks =
        Math.ceil(shape.rows / rows) * Math.ceil(shape.columns / (columns * workgroupSize)) * workgroupSize;
      const loads = rows / (rowForm.width * lanes) + columns / columnForm.width;
      return blocks * (rows * columns + load * loads);
    }
  };

function splitKOf(
  { rows, columns, batches, depth, reductions = 1 }: ProductShape,
  tile: ProductTile,
  busy: number,
): number {
  const blocks = Math.ceil(rows / tile.rows) * Math.ceil(columns / (tile.columns * tile.workgroupSize)) * batches;
  const shortest = 256;
  return Math.max(1, Math.min(Math.ceil(busy / blocks), Math.floor((depth * reductions) / shortest)));
}
