export { type Cluster, type ClusterOptions, openCluster, type SumOptions } from './cluster.js';
export { ClusterError } from './errors.js';
export { launchedRanks } from './launched.js';
export type { Wire } from './operations.js';
