export { type AveragePoolOptions, averagePool } from './average-pool.js';
export { type MaxPoolOptions, maxPool } from './max-pool.js';
export type { PoolOptions } from './pooling.js';
