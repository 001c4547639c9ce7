import type { Gpu } from '../../adapter/gpu.js';
import type { ProductFamily } from './family.js';
import { registerChoices, registerPlan } from './register-plan.js';
import { registerTileKernel } from './register-tile.js';

const lanes = ({ subgroupSize }: Pick<Gpu, 'subgroupSize'>) => subgroupSize ?? 1;

/** Each lane of a subgroup loads different values of the rows, and shares them by `subgroupBroadcast`. */
export const broadcast: ProductFamily = {
  plan: registerPlan(lanes),
  choices: registerChoices('subgroup', lanes),
  kernel: (options) =>
    registerTileKernel(options, {
      share: 'subgroup',
      inputs: ', @builtin(subgroup_invocation_id) lane: u32',
      load: (index, stepLoad, value) => `let row_${index}_${stepLoad} = ${value};`,
      value: (index, stepLoad, lane, of) => `subgroupBroadcast(${of(`row_${index}_${stepLoad}`)}, ${lane}u)`,
    }),
};
