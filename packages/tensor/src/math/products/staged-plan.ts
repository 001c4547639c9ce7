import { ConfigError } from '../../errors.js';
import type { ProductFamily } from './family.js';
import { type Lanes, type LoadForm, lanesFor, stepsOfRound } from './lanes.js';
import type { ProductChoice, ProductPlan, Share, Side } from './shape.js';
import { quad } from './staged.js';
import { type ProductGpu, productRow } from './table.js';
import type { ProductTile } from './tile-size.js';

/** How a family lays its work out. */
interface StagedLayout {
  readonly share: Share;
  /** How many tiles of `tile.rows x tile.columns` a workgroup computes: one an invocation, or one a subgroup. */
  along(gpu: ProductGpu, tile: ProductTile): number;
  /** Steps that a lane fetches at once of an operand that lies so. */
  patchSteps(form: LoadForm): number;
  /** Which way neighbouring lanes lie over what is fetched. Default: along what is contiguous in memory. */
  readonly first?: Lanes['first'];
}

/**
 * Plans kernels whose workgroups stage rows and columns in their memory.
 *
 * @throws ConfigError for a tile that is not made of quads, or whose lanes do not fit it
 */
export const stagedPlan =
  ({ share, along, patchSteps, first }: StagedLayout): ProductFamily['plan'] =>
  (gpu, shape, { width, tile, splitK = 1 }): ProductPlan => {
    const { rows, columns, workgroupSize, invocationRows = 1, unroll } = tile;
    const blockRows = rows * invocationRows;
    const blockColumns = (columns * along(gpu, tile)) / invocationRows;
    const rowForm = formOf(shape.rowSide, width);
    const columnForm = formOf(shape.columnSide, width);
    const lanesOf = (block: number, form: LoadForm): Lanes => {
      const patch = { results: quad, steps: patchSteps(form) };
      const lanes = lanesFor(workgroupSize, block, form, patch);
      // Rather idle lanes than rounds longer than asked for.
      const steps = Math.min(lanes.steps, Math.max(1, Math.floor(unroll / patch.steps)));
      return { ...lanes, steps, ...(first && { first }) };
    };
    const lanes = lanesOf(blockRows, rowForm);
    const columnLanes = lanesOf(blockColumns, columnForm);
    if (share === 'matrix' && !gpu.subgroupMatrix) throw new ConfigError('A product: the adapter has no matrix units');
    const whole = [rows / quad, columns / quad, lanes.results, columnLanes.results, lanes.steps, columnLanes.steps];
    if (!whole.every(Number.isInteger)) {
      throw new ConfigError(
        `A product: a tile of ${rows} x ${columns} results cannot be staged by ${workgroupSize} invocations, ` +
          `${invocationRows} of them along rows; use multiples of ${quad} and powers of two`,
      );
    }
    const { subgroupSize, subgroupMatrix } = gpu;
    const columnWidth = columnForm.along === 'result' ? columnForm.width : 1;
    return {
      ...{ share, tile, blockRows, blockColumns, lanes, rowForm, columnLanes, columnForm, splitK },
      ...(share === 'matrix' && { matrix: { ...subgroupMatrix!, subgroupSize: subgroupSize! } }),
      columnLoads: blockColumns / columnLanes.results / columnWidth,
      resultWidth: shape.columns % quad === 0 && (columnForm.along === 'steps' || columnWidth === 4) ? 4 : 1,
      roundSteps: stepsOfRound(unroll, lanes, columnLanes),
    };
  };

const formOf = ({ along, contiguous }: Side, width: 1 | 4): LoadForm => ({
  along,
  width: width === 4 && contiguous % 4 === 0 ? 4 : 1,
});

/** Fewer steps than this are not worth a piece of their own. */
const shortestPiece = 128;
/** What it costs a whole adapter to write and to read a sum of split-K, in multiply-adds. */
const costOfSum = 90;
/** Invocations that keep a multiprocessor busy. */
const busyInvocations = 256;

/** Tiles of a family with as many pieces of the reduction as keep the adapter busy, the least time first. */
export const stagedChoices =
  (share: Share, plan: ProductFamily['plan'], bytesOf: (plan: ProductPlan) => number): ProductFamily['choices'] =>
  (gpu, shape, width) => {
    const { tiles, load, busy } = productRow(gpu, share);
    if (share === 'matrix' && !(gpu.subgroupMatrix && shape.halves)) return [];
    const steps = shape.depth * (shape.reductions ?? 1);
    const results = shape.rows * shape.columns * shape.batches;
    const pieces = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128].filter(
      (splitK) => splitK === 1 || (!shape.uncut && steps / splitK >= shortestPiece),
    );
    const time = (tile: ProductTile, splitK: number): number => {
      const { blockRows, blockColumns } = plan(gpu, shape, { share, width, tile });
      const blocks =
        Math.ceil(shape.rows / blockRows) * Math.ceil(shape.columns / blockColumns) * shape.batches * splitK;
      const block = (blockRows * blockColumns + load * (blockRows + blockColumns)) * (steps / splitK);
      const turns = Math.max(Math.ceil(blocks / busy), busyInvocations / tile.workgroupSize);
      return turns * block + (splitK === 1 ? 0 : (results * splitK * costOfSum) / busy);
    };
    const alongSteps = shape.rowSide.along === 'steps' || shape.columnSide.along === 'steps';
    const ranked = tiles[alongSteps ? 'steps' : 'result']
      .map((tile) => (share === 'matrix' ? ofSubgroups(tile, gpu.subgroupSize!) : tile))
      .filter((tile) => fits(gpu.limits, tile, bytesOf(plan(gpu, shape, { share, width, tile }))))
      .map((tile) => {
        const splits = [...pieces].sort((a, b) => time(tile, a) - time(tile, b));
        return { tile, splits, time: time(tile, splits[0]!) };
      })
      .sort((a, b) => a.time - b.time);
    const [best, ...others] = ranked;
    if (!best) return [];
    const choice = (tile: ProductTile, splitK: number): ProductChoice => ({ share, width, tile, splitK });
    return [
      choice(best.tile, best.splits[0]!),
      ...others.slice(0, 1).map(({ tile, splits }) => choice(tile, splits[0]!)),
      ...best.splits.slice(1, 3).map((splitK) => choice(best.tile, splitK)),
      ...others.slice(1).map(({ tile, splits }) => choice(tile, splits[0]!)),
    ];
  };

/** The table's workgroups are as many subgroups of 32 lanes. */
function ofSubgroups(tile: ProductTile, lanes: number): ProductTile {
  return { ...tile, workgroupSize: (tile.workgroupSize / 32) * lanes };
}

function fits(
  limits: Parameters<ProductFamily['choices']>[0]['limits'],
  { workgroupSize }: ProductTile,
  bytes: number,
): boolean {
  const { maxComputeInvocationsPerWorkgroup = 256, maxComputeWorkgroupStorageSize = 16384 } = limits ?? {};
  return workgroupSize <= maxComputeInvocationsPerWorkgroup && bytes <= maxComputeWorkgroupStorageSize;
}
