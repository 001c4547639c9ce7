import { ConfigError } from '../../errors.js';
import type { ProductFamily } from './family.js';
import { quad } from './fetching.js';
import { type Lanes, type LoadForm, stepsOfRound } from './lanes.js';
import type { ProductChoice, ProductPlan, ProductShape, Share, Side } from './shape.js';
import { type ProductGpu, productRow, productRows, type RatedTile } from './table.js';
import type { ProductTile } from './tile-size.js';

const count = (length: number) => Array.from({ length }, (_, index) => index + 1);

/** The layout of a family's work. */
interface StagedLayout {
  readonly share: Share;
  /**
   * Number of tiles of `tile.rows x tile.columns` that a workgroup computes: one per invocation, or one per subgroup.
   */
  along(gpu: ProductGpu, tile: ProductTile): number;
  /** Steps that a lane fetches at once of an operand with this layout. */
  patchSteps(form: LoadForm): number;
  /** The axis along which neighbouring lanes fetch. Default: the contiguous one. */
  readonly first?: Lanes['first'];
}

/**
 * Plans kernels whose workgroups stage rows and columns in their memory.
 *
 * @throws ConfigError for a tile that does not consist of quads, or whose lanes do not fit it
 */
export const stagedPlan =
  ({ share, along, patchSteps, first }: StagedLayout): ProductFamily['plan'] =>
  (gpu, shape, { width, tile, splitK = 1 }): ProductPlan => {
    const { rows, columns, workgroupSize, invocationRows = 1, unroll } = tile;
    const blockRows = rows * invocationRows;
    const blockColumns = (columns * along(gpu, tile)) / invocationRows;
    const rowForm = formOf(shape.rowSide, width);
    const columnForm = formOf(shape.columnSide, width);
    const lanesOf = (block: number, form: LoadForm) =>
      stagedLanes(workgroupSize, block, unroll, form, patchSteps(form), first);
    const lanes = lanesOf(blockRows, rowForm);
    const columnLanes = lanesOf(blockColumns, columnForm);
    if (share === 'matrix' && !gpu.subgroupMatrix) throw new ConfigError('A product: the adapter has no matrix units');
    if (!isStaged(tile, blockRows, blockColumns)) {
      throw new ConfigError(
        `A product: a tile of ${rows} x ${columns} results cannot be staged by ${workgroupSize} invocations, ` +
          `${invocationRows} of them along rows; use multiples of ${quad}`,
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

const isStaged = ({ rows, columns }: ProductTile, blockRows: number, blockColumns: number) =>
  [rows / quad, columns / quad, blockRows / quad, blockColumns / quad].every(Number.isInteger);

/**
 * Distributes lanes over the part of an operand that a workgroup fetches in a round: over all quads of results, and
 * over the reduction. The other invocations are idle in the meantime; rounds must not be longer than requested.
 */
function stagedLanes(
  invocations: number,
  block: number,
  unroll: number,
  form: LoadForm,
  depth: number,
  first: Lanes['first'] = form.along === 'result' ? 'results' : 'steps',
): Lanes {
  const quads = block / quad;
  let results = Math.min(quads, invocations);
  while (quads % results !== 0) results--;
  const most = Math.max(1, Math.min(Math.floor(invocations / results), Math.floor(unroll / depth)));
  let steps = most;
  while ((unroll / depth) % steps !== 0) steps--;
  const neighbours = form.along === 'result' ? quad / form.width : quad;
  return { results, steps, first, neighbours, depth };
}

const formOf = ({ along, contiguous }: Side, width: 1 | 4): LoadForm => ({
  along,
  width: width === 4 && contiguous % 4 === 0 ? 4 : 1,
});

/** Fewer steps than this do not justify another part. */
const shortestPiece = 128;
/** The largest number of parts of a reduction. */
const pieceCounts = [...count(32), 40, 48, 56, 64, 80, 96, 112, 128];
/**
 * Besides the best number of parts, a tuner only tries numbers that differ by this factor; others would take about as long.
 */
const unlikeFactor = 1.5;
/** Invocations that keep a multiprocessor busy. */
const busyInvocations = 256;

/** Tiles of a family with as many parts of the reduction as keep the adapter busy, the least time first. */
export const stagedChoices =
  (share: Share, plan: ProductFamily['plan'], bytesOf: (plan: ProductPlan) => number): ProductFamily['choices'] =>
  (gpu, shape, width) => {
    const row = productRows(gpu).find((row) => row.share === share) ?? productRow(gpu, share);
    const { tiles, busy, sum: costOfSum = 0 } = row;
    if (share === 'matrix' && !(gpu.subgroupMatrix && shape.halves)) return [];
    const steps = shape.depth * (shape.reductions ?? 1);
    const results = shape.rows * shape.columns * shape.batches;
    const time = ({ rate = 1, ...tile }: RatedTile, splits: Splits): number => {
      const { blockRows, blockColumns } = plan(gpu, shape, { share, width, tile });
      const blocks =
        Math.ceil(shape.rows / blockRows) * Math.ceil(shape.columns / blockColumns) * shape.batches * splits.pieces;
      const block = (blockRows * blockColumns * steps * splits.longest) / rate;
      const turns = Math.max(Math.ceil(blocks / busy), busyInvocations / tile.workgroupSize);
      return turns * block + (splits.pieces === 1 ? 0 : (results * splits.pieces * costOfSum) / busy);
    };
    const unit = share === 'matrix' ? gpu.subgroupMatrix!.steps : quad;
    const alongSteps = shape.rowSide.along === 'steps' || shape.columnSide.along === 'steps';
    const ranked = tiles[alongSteps ? 'steps' : 'result']
      .map((tile) => (share === 'matrix' ? ofSubgroups(tile, gpu.subgroupSize!) : tile))
      .map((tile) => ({ ...tile, unroll: wholeRounds(shape, tile.unroll, unit) }))
      .filter((tile) => fits(gpu.limits, tile, bytesOf(plan(gpu, shape, { share, width, tile }))))
      .map((tile) => {
        const timed = splitsOf(shape, tile).map((splits) => ({ splitK: splits.pieces, time: time(tile, splits) }));
        timed.sort((a, b) => a.time - b.time);
        return { tile, splits: timed.map(({ splitK }) => splitK), time: timed[0]!.time };
      })
      .sort((a, b) => a.time - b.time);
    const [best, ...others] = ranked;
    if (!best) return [];
    const choice = ({ rate: _, ...tile }: RatedTile, splitK: number): ProductChoice => {
      return { share, width, tile, splitK };
    };
    return [
      choice(best.tile, best.splits[0]!),
      ...others.slice(0, 1).map(({ tile, splits }) => choice(tile, splits[0]!)),
      ...unlike(best.splits)
        .slice(1, 3)
        .map((splitK) => choice(best.tile, splitK)),
      ...others.slice(1).map(({ tile, splits }) => choice(tile, splits[0]!)),
    ];
  };

/** A reduction in parts: their number, and the fraction of all steps in the longest. */
interface Splits {
  readonly pieces: number;
  readonly longest: number;
}

/** Ways to cut a reduction into parts of whole rounds, or of whole reductions if it is repeated. */
function splitsOf({ depth, reductions = 1, uncut }: ProductShape, { unroll }: ProductTile): Splits[] {
  const units = reductions > 1 ? reductions : Math.max(1, Math.ceil(depth / unroll));
  const most = uncut ? 1 : Math.max(1, Math.floor((depth * reductions) / shortestPiece));
  const splits = pieceCounts
    .filter((wanted) => wanted <= most)
    .map((wanted) => Math.ceil(units / wanted))
    .map((length) => ({ pieces: Math.ceil(units / length), longest: length / units }));
  // Of equivalent numbers, only one.
  return splits.filter(({ pieces }, index) => splits.findIndex((other) => other.pieces === pieces) === index);
}

/** The numbers of a list that differ clearly from all before them. */
function unlike(numbers: readonly number[]): number[] {
  const kept: number[] = [];
  for (const number of numbers) {
    if (kept.every((other) => Math.max(other / number, number / other) >= unlikeFactor)) kept.push(number);
  }
  return kept;
}

/**
 * The length of a round, about this many steps, chosen so that a repeated reduction has a whole number of rounds and the
 * last one is not half empty.
 */
function wholeRounds({ depth, reductions = 1 }: ProductShape, unroll: number, unit: number): number {
  if (reductions === 1 || depth % unroll === 0) return unroll;
  for (let steps = 1.5 * unroll; steps >= unroll / 2; steps -= unit) if (depth % steps === 0) return steps;
  return unroll;
}

/** The table's workgroups as the same number of subgroups of 32 lanes. */
function ofSubgroups<Tile extends ProductTile>(tile: Tile, lanes: number): Tile {
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
