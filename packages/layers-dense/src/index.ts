export { type DenseOptions, dense } from './dense.js';
