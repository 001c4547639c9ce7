import type { ProductFamily } from './family.js';
import { registerTileKernel } from './register-tile.js';

/** The lanes of a subgroup load other values of the rows each, and hand them round by `subgroupBroadcast`. */
export const broadcast: ProductFamily = {
  share: 'subgroup',
  lanes: ({ subgroupSize }) => subgroupSize ?? 1,
  kernel: (options) =>
    registerTileKernel(options, {
      share: 'subgroup',
      module: () => '',
      inputs: ', @builtin(subgroup_invocation_id) lane: u32',
      begin: '',
      load: (index, stepLoad, _, value) => `let row_${index}_${stepLoad} = ${value};`,
      value: (index, stepLoad, _, lane, of) => `subgroupBroadcast(${of(`row_${index}_${stepLoad}`)}, ${lane}u)`,
    }),
};
