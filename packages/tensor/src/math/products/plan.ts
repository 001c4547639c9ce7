import { families } from './families.js';
import type { ProductChoice, ProductPlan, ProductShape } from './shape.js';
import { type ProductAdapter, type ProductGpu, productRows } from './table.js';

/** Ways to compute a product on this adapter, the most likely to be fast first, and one that is correct everywhere. */
export function productChoices(
  gpu: ProductAdapter,
  shape: ProductShape,
): { readonly candidates: readonly ProductChoice[]; readonly plain: ProductChoice } {
  const [first, ...others] = productRows(gpu)
    .map(({ share }) => families[share].choices(gpu, shape, 4))
    .filter(({ length }) => length > 0);
  // The best of every family comes before the last of any.
  const candidates = [
    ...first!.slice(0, 2),
    ...others.map(([best]) => best!),
    ...first!.slice(2),
    ...others.flatMap(([, ...rest]) => rest),
  ];
  return { candidates, plain: families.none.choices(gpu, shape, 1)[0]! };
}

/** Turns a choice into a plan for a product of this shape. */
export function planProduct(gpu: ProductGpu, shape: ProductShape, choice: ProductChoice): ProductPlan {
  return families[choice.share].plan(gpu, shape, choice);
}

/**
 * Whether a choice could crash a driver or give wrong results: matrix units are experimental in Dawn. One driver is known to
 * have crashed on such a kernel, and NVIDIA's 580.159 omitted steps of a sum in one of several (docs/gpu-kernels.md).
 */
export function isRiskyProduct({ share }: ProductChoice): boolean {
  return share === 'matrix';
}
