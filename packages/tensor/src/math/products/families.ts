import type { Dispatch } from '../../kernel/recorder.js';
import { broadcast } from './broadcast.js';
import type { ProductFamily, ProductKernelOptions } from './family.js';
import { matrix } from './matrix.js';
import { plain } from './plain.js';
import type { Share } from './shape.js';
import { tile } from './tile.js';

/** All families, by how their invocations share operands. */
export const families: Readonly<Record<Share, ProductFamily>> = {
  none: plain,
  subgroup: broadcast,
  workgroup: tile,
  matrix,
};

/** The text of a product's kernel, by the family that its plan chose. */
export function productKernel(options: ProductKernelOptions): Pick<Dispatch, 'wgsl' | 'workgroups'> {
  return families[options.plan.share].kernel(options);
}
