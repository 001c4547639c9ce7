import type { ProductPlan } from '@alex/tensor/kernels';

/** WGSL statements for each column load of an invocation. */
export function everyLoad(
  { columnLoads }: Pick<ProductPlan, 'columnLoads'>,
  statements: (load: number) => string,
): string {
  return Array.from({ length: columnLoads }, (_, load) => statements(load)).join('\n');
}
