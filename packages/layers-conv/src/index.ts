export { type Conv2dOptions, conv2d } from './conv2d.js';
export { type Local2dOptions, local2d } from './local2d.js';
export type { InitialOptions, WindowOptions } from './options.js';
