import type { Gpu, LoadForm, ProductTile } from '@alex/tensor';

/** WGSL statements for each load of columns that an invocation holds. */
export function everyLoad(tile: ProductTile, form: LoadForm, statements: (load: number) => string): string {
  const loads = form.along === 'result' ? tile.columns / form.width : tile.columns;
  return Array.from({ length: loads }, (_, load) => statements(load)).join('\n');
}

/** Short reductions are written out whole, so that no loop and no rest is left. */
export function unrollFor(gpu: Pick<Gpu, 'subgroupSize'>, depth: number): { unroll?: number } {
  return depth <= 4 && (gpu.subgroupSize ?? 1) <= 16 ? { unroll: depth } : {};
}
