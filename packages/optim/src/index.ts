export { exponentialSchedule, type Progress, plateauSchedule, type Schedule, stepSchedule } from './schedule.js';
export { type SgdOptions, type SgdOverride, sgd } from './sgd.js';
