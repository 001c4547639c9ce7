export { type AdamOptions, adam } from './adam.js';
export { frozen, resolveRate } from './patterns.js';
export {
  exponentialSchedule,
  type Progress,
  plateauSchedule,
  type Schedule,
  stepSchedule,
  tableSchedule,
  warmUp,
} from './schedule.js';
export { type SgdOptions, type SgdOverride, sgd } from './sgd.js';
