import type { Gpu } from '../../adapter/gpu.js';
import type { Share } from './shape.js';
import type { ProductTile } from './tile-size.js';

/** What decides which kernels suit an adapter. */
export type ProductAdapter = Pick<Gpu, 'subgroupSize'> & {
  readonly description: Pick<Gpu['description'], 'kind'> & Partial<Pick<Gpu['description'], 'vendor' | 'architecture'>>;
};

/** Adapters that a row is for: those that are like it in everything that it says. */
interface Suits {
  readonly kind?: 'hardware' | 'software';
  readonly vendor?: string;
  readonly architecture?: string;
  /** `any`: with subgroups of a fixed size. Default: with or without. */
  readonly subgroupSize?: number | 'any';
  /** But not those with subgroups of these sizes. */
  readonly exceptSubgroups?: readonly number[];
}

/** A family of kernels, the adapters that it suits, and its tiles there. */
export interface ProductRow {
  readonly suits: Suits;
  readonly share: Share;
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
 * What suits which adapter, the most likely to be fast first. Of several rows of a family that suit an adapter, the first
 * counts.
 */
export const productTable: readonly ProductRow[] = [
  // Measured on SwiftShader (4) and lavapipe (8), see docs/performance.md. Barriers make these spill all their sums, so
  // workgroups never share there.
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
  // A column load serves many rows, for the memory behind it is slower than the sums. Not measured.
  {
    suits: { kind: 'hardware', exceptSubgroups: [4, 8] },
    share: 'workgroup',
    tiles: {
      result: [tile(16, 4, 64, 8), tile(32, 4, 64, 8), tile(8, 4, 64, 8), tile(16, 4, 128, 8), tile(16, 8, 64, 8)],
      steps: [tile(16, 4, 64, 8), tile(16, 2, 64, 8), tile(8, 4, 64, 8), tile(16, 4, 128, 8)],
    },
    load: 8,
    busy: 512,
  },
  // Little is held in registers, so that many workgroups hide the time that loads take. Not measured.
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

/** The row of a family for an adapter; where none suits, the most general one. */
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
