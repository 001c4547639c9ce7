import type { ProductPlan } from '@alex/tensor/kernels';

/** WGSL statements for each load of columns that an invocation holds. */
export function everyLoad(
  { tile, columnForm }: Pick<ProductPlan, 'tile' | 'columnForm'>,
  statements: (load: number) => string,
): string {
  const loads = columnForm.along === 'result' ? tile.columns / columnForm.width : tile.columns;
  return Array.from({ length: loads }, (_, load) => statements(load)).join('\n');
}
