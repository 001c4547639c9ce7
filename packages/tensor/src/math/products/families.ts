import type { Dispatch } from '../../kernel/recorder.js';
import { checkOptions } from '../../option-checks.js';
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

/**
 * The text of a product's kernel, by the family that its plan chose.
 *
 * @throws ConfigError for an option that is none
 */
export function productKernel(options: ProductKernelOptions): Pick<Dispatch, 'wgsl' | 'workgroups'> {
  checkOptions('productKernel', options, [
    'title',
    'plan',
    'rows',
    'columns',
    'batches',
    'rowOperand',
    'columnOperand',
    'reduction',
    'prepare',
    'setup',
    'outer',
    'initial',
    'ahead',
    'store',
    'rowSums',
    'functions',
  ]);
  return families[options.plan.share].kernel(options);
}
