export { localResponseNorm } from './local-response-norm.js';
export type { LocalResponseNormOptions } from './options.js';
