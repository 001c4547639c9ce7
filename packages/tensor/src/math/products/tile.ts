import type { ProductFamily } from './family.js';
import { registerTileKernel } from './register-tile.js';

/** A workgroup stages a tile of the rows in memory of its own, between two barriers. */
export const tile: ProductFamily = {
  share: 'workgroup',
  lanes: (_, { workgroupSize }) => workgroupSize,
  kernel: (options) =>
    registerTileKernel(options, {
      share: 'workgroup',
      module: (type, values) => `var<workgroup> shared_rows: array<${type}, ${values}>;`,
      inputs: '',
      begin: 'let lane = invocation;',
      load: (_index, _stepLoad, place, value) => `shared_rows[${place}u + invocation] = ${value};`,
      fence: 'workgroupBarrier();',
      value: (_index, _stepLoad, place, lane, of) => of(`shared_rows[${place + lane}]`),
    }),
};
