import type { Gpu, ProductTile } from '@alex/tensor';

/** WGSL statements for each column that an invocation holds. */
export function everyColumn(tile: ProductTile, statements: (column: number) => string): string {
  return Array.from({ length: tile.columns }, (_, column) => statements(column)).join('\n');
}

/** Short reductions are written out whole, so that no loop and no rest is left. */
export function unrollFor(gpu: Pick<Gpu, 'subgroupSize'>, depth: number): { unroll?: number } {
  return depth <= 4 && (gpu.subgroupSize ?? 1) <= 16 ? { unroll: depth } : {};
}
