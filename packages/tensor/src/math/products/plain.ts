import type { ProductFamily } from './family.js';
import { registerTileKernel } from './register-tile.js';

/** Nobody shares: every invocation loads all values of the rows that it needs. Right on every adapter. */
export const plain: ProductFamily = {
  share: 'none',
  lanes: () => 1,
  kernel: (options) =>
    registerTileKernel(options, {
      share: 'none',
      module: () => '',
      inputs: '',
      begin: '',
      load: (index, stepLoad, _, value) => `let row_${index}_${stepLoad} = ${value};`,
      value: (index, stepLoad, _place, _lane, of) => of(`row_${index}_${stepLoad}`),
    }),
};
