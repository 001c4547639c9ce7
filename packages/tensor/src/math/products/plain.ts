import type { ProductFamily } from './family.js';
import { registerChoices, registerPlan } from './register-plan.js';
import { registerTileKernel } from './register-tile.js';

const lanes = () => 1;

/** No sharing: every invocation loads all values of the rows that it needs. Correct on every adapter. */
export const plain: ProductFamily = {
  plan: registerPlan(lanes),
  choices: registerChoices('none', lanes),
  kernel: (options) =>
    registerTileKernel(options, {
      share: 'none',
      inputs: '',
      load: (index, stepLoad, value) => `let row_${index}_${stepLoad} = ${value};`,
      value: (index, stepLoad, _lane, of) => of(`row_${index}_${stepLoad}`),
    }),
};
