import type { Gpu } from '../../adapter/gpu.js';
import type { Share } from './shape.js';
import type { ProductTile } from './tile-size.js';

/** The properties of an adapter that the layout of a kernel depends on. */
export type ProductGpu = Pick<Gpu, 'subgroupSize'> & Partial<Pick<Gpu, 'subgroupMatrix'>>;

/** The properties of an adapter that decide which kernels suit it. */
export type ProductAdapter = ProductGpu & {
  readonly limits?: Partial<
    Pick<Gpu['limits'], 'maxComputeInvocationsPerWorkgroup' | 'maxComputeWorkgroupStorageSize'>
  >;
  readonly description: Pick<Gpu['description'], 'kind'> & Partial<Pick<Gpu['description'], 'vendor' | 'architecture'>>;
};

/** The adapters that a row applies to: those that match all given properties. */
interface Suits {
  readonly kind?: 'hardware' | 'software';
  readonly vendor?: string;
  readonly architecture?: string;
  /** `any`: any fixed subgroup size. Default: with or without subgroups. */
  readonly subgroupSize?: number | 'any';
  /** Except those with subgroups of these sizes. */
  readonly exceptSubgroups?: readonly number[];
}

/** A family of kernels, the adapters that it suits, and its tiles there. */
export interface ProductRow {
  readonly suits: Suits;
  readonly share: Share;
  /**
   * Tiles to choose from: for operands that both load along the result, and for operands of which one loads along the
   * steps of the reduction.
   */
  readonly tiles: { readonly result: readonly RatedTile[]; readonly steps: readonly RatedTile[] };
  /** A tile that only the tuner should choose, for products along the result. */
  readonly forTuner?: ProductTile;
  /** The cost of a load, in multiply-adds. */
  readonly load?: number;
  /** The cost of writing and reading a split-K sum for the whole adapter, in multiply-adds of the fastest tile. */
  readonly sum?: number;
  /** Workgroups that keep all of the adapter busy. */
  readonly busy: number;
}

const tile = (rows: number, columns: number, workgroupSize: number, unroll: number): ProductTile => ({
  rows,
  columns,
  workgroupSize,
  unroll,
});

/** A tile and, if tiles are ranked by it, its speed on an adapter that it fills, as a fraction of the fastest. */
export interface RatedTile extends ProductTile {
  readonly rate?: number;
}

/** Tiles of a subgroup, for matrix units; workgroups have this many invocations if subgroups have 32 lanes. */
const subgroupTiles: readonly RatedTile[] = [
  { rate: 1, rows: 64, columns: 64, invocationRows: 2, workgroupSize: 128, unroll: 32 },
  { rate: 0.82, rows: 48, columns: 64, invocationRows: 2, workgroupSize: 128, unroll: 32 },
  { rate: 0.8, rows: 64, columns: 32, invocationRows: 2, workgroupSize: 256, unroll: 32 },
  { rate: 0.8, rows: 64, columns: 64, invocationRows: 2, workgroupSize: 256, unroll: 32 },
  { rate: 0.8, rows: 32, columns: 64, invocationRows: 2, workgroupSize: 128, unroll: 32 },
  { rate: 0.75, rows: 48, columns: 32, invocationRows: 1, workgroupSize: 128, unroll: 32 },
  { rate: 0.65, rows: 32, columns: 32, invocationRows: 2, workgroupSize: 128, unroll: 32 },
  { rate: 0.6, rows: 32, columns: 64, invocationRows: 1, workgroupSize: 128, unroll: 32 },
];

/**
 * Tiles of an invocation. The rates are those of conv2's forward pass, whose operands are contiguous along the result,
 * and of its weight gradient, whose operands are contiguous along the steps, at a batch of 128 on an NVIDIA H200. In
 * the latter, lanes fetch patches of 4 x 4, of which small workgroups have too many.
 */
const blocks: readonly (Omit<ProductTile, 'unroll'> & { readonly result: number; readonly steps: number })[] = [
  { result: 1, steps: 0.54, rows: 8, columns: 8, invocationRows: 8, workgroupSize: 128 },
  { result: 1, steps: 0.7, rows: 8, columns: 8, invocationRows: 16, workgroupSize: 128 },
  { result: 1, steps: 0.81, rows: 8, columns: 8, invocationRows: 12, workgroupSize: 192 },
  { result: 0.96, steps: 0.78, rows: 8, columns: 4, invocationRows: 8, workgroupSize: 128 },
  { result: 0.94, steps: 0.7, rows: 8, columns: 8, invocationRows: 6, workgroupSize: 96 },
  { result: 0.87, steps: 1, rows: 8, columns: 8, invocationRows: 16, workgroupSize: 256 },
  { result: 0.87, steps: 0.61, rows: 8, columns: 16, invocationRows: 16, workgroupSize: 128 },
  { result: 0.86, steps: 0.54, rows: 8, columns: 8, invocationRows: 4, workgroupSize: 128 },
  { result: 0.81, steps: 0.76, rows: 4, columns: 4, invocationRows: 16, workgroupSize: 256 },
  { result: 0.72, steps: 0.45, rows: 4, columns: 8, invocationRows: 4, workgroupSize: 64 },
];

/** For products too small to fill anything: short to compile. */
const smallest = { rows: 4, columns: 4, invocationRows: 8, workgroupSize: 64, unroll: 8 };

const rated = (along: 'result' | 'steps', unroll: number): readonly RatedTile[] =>
  blocks.map(({ result, steps, ...tile }) => ({ ...tile, unroll, rate: along === 'result' ? result : steps }));
const alongResult = [...rated('result', 16), { ...smallest, rate: 0.72 }];
const alongSteps = [...rated('steps', 32), { ...smallest, rate: 0.45 }];

const fitsRdna3 = ({ rows, columns }: ProductTile) => rows * columns < 64 * 64;
const wholeWaves = ({ workgroupSize }: ProductTile) => workgroupSize % 64 === 0;

/**
 * Which kernels suit which adapter, the most likely to be fast first. If several rows of a family match an adapter, the
 * first one applies.
 */
export const productTable: readonly ProductRow[] = [
  // Measured on SwiftShader (4) and lavapipe (8), see docs/performance.md. Barriers make these drivers spill all their
  // sums, so workgroups never share there.
  {
    suits: { subgroupSize: 4 },
    share: 'subgroup',
    tiles: {
      result: [tile(32, 8, 4, 4), tile(16, 8, 4, 4), tile(8, 8, 4, 4), tile(4, 8, 4, 4)],
      steps: [tile(32, 4, 4, 4), tile(16, 4, 4, 4), tile(8, 4, 4, 4), tile(4, 4, 4, 4)],
    },
    // A quarter faster, but this driver compiles it for over a second, at every start.
    forTuner: tile(32, 16, 4, 4),
    load: 20,
    busy: 8,
  },
  {
    suits: { subgroupSize: 8 },
    share: 'subgroup',
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
  // RDNA 3 spills registers if a subgroup keeps 64 x 64 sums. Not measured.
  {
    suits: { kind: 'hardware', vendor: 'amd', subgroupSize: 'any' },
    share: 'matrix',
    tiles: { result: subgroupTiles.filter(fitsRdna3), steps: subgroupTiles.filter(fitsRdna3) },
    sum: 330,
    busy: 128,
  },
  // Measured on an NVIDIA H200, see docs/gpu-kernels.md. A tile is a subgroup's; its size is that of 32 lanes. Matrix units
  // reached 74 T multiply-adds/s where the family below reached 20, so a sum costs correspondingly more of them.
  {
    suits: { kind: 'hardware', subgroupSize: 'any' },
    share: 'matrix',
    tiles: { result: subgroupTiles, steps: subgroupTiles },
    sum: 330,
    busy: 128,
  },
  // GCN and CDNA: whole waves, and no more than 128 registers, so that a SIMD holds two waves (docs/gpu-kernels.md).
  {
    suits: { kind: 'hardware', subgroupSize: 64 },
    share: 'workgroup',
    tiles: {
      result: alongResult.filter(wholeWaves),
      steps: alongSteps.filter((tile) => wholeWaves(tile) && tile.rows * tile.columns < 64),
    },
    sum: 90,
    busy: 128,
  },
  // Measured on an NVIDIA H200, see docs/gpu-kernels.md: the larger a block, the fewer loads, up to the size at which a
  // multiprocessor holds only one workgroup.
  {
    suits: { kind: 'hardware', exceptSubgroups: [4, 8, 64] },
    share: 'workgroup',
    tiles: { result: alongResult, steps: alongSteps },
    sum: 90,
    busy: 128,
  },
  // Few registers per invocation, so that many workgroups hide the latency of loads. Not measured.
  {
    suits: { subgroupSize: 'any' },
    share: 'subgroup',
    tiles: {
      result: [tile(8, 4, 64, 4), tile(4, 4, 64, 4), tile(8, 8, 64, 2), tile(16, 4, 64, 2)],
      steps: [tile(8, 4, 64, 4), tile(4, 4, 64, 4), tile(8, 2, 64, 4)],
    },
    load: 8,
    busy: 512,
  },
  {
    suits: {},
    share: 'none',
    tiles: {
      result: [tile(8, 4, 64, 1), tile(4, 4, 64, 1), tile(8, 8, 64, 1)],
      steps: [tile(8, 4, 64, 4), tile(4, 4, 64, 4), tile(4, 2, 64, 4)],
    },
    load: 4,
    busy: 64,
  },
];

/** The rows that suit an adapter, one for each family. */
export function productRows(adapter: ProductAdapter): readonly ProductRow[] {
  const suiting = productTable.filter(({ suits }) => suit(adapter, suits));
  return suiting.filter(({ share }, index) => suiting.findIndex((row) => row.share === share) === index);
}

/** The row of a family for an adapter; if none suits, the most general one. */
export function productRow(adapter: Pick<Gpu, 'subgroupSize'>, share: Share): ProductRow {
  const ofFamily = productTable.filter((row) => row.share === share);
  return ofFamily.find(({ suits }) => suits.subgroupSize === adapter.subgroupSize) ?? ofFamily.at(-1)!;
}

function suit({ subgroupSize, description }: ProductAdapter, suits: Suits): boolean {
  const { kind, vendor, architecture, exceptSubgroups = [] } = suits;
  const lanes = suits.subgroupSize;
  if (lanes !== undefined && (lanes === 'any' ? subgroupSize === undefined : subgroupSize !== lanes)) return false;
  if (subgroupSize !== undefined && exceptSubgroups.includes(subgroupSize)) return false;
  const wanted = { kind, vendor, architecture };
  return (['kind', 'vendor', 'architecture'] as const).every(
    (key) => wanted[key] === undefined || wanted[key] === description[key],
  );
}
