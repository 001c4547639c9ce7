export { trustRisky } from './kernel/tunable.js';
export { describeLayer } from './testing/describe-layer.js';
export { type GradientCase, type GradientError, gradientCheck, separatedTensor } from './testing/gradient-check.js';
export type { LayerCase, LayerSuite, ReferenceInput, ReferenceOutput, TestRunner } from './testing/layer-suite.js';
export { type LocalRanks, localRanks } from './testing/local-ranks.js';
export { type KernelAdapter, type RecordedKernel, recordedKernels } from './testing/recorded-kernels.js';
export { type RunLayerOptions, type RunLayerResult, runLayer } from './testing/run-layer.js';
export { randomTensor, relativeError, testGpu } from './testing/values.js';
