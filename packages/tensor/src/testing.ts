export { type RunLayerOptions, type RunLayerResult, runLayer } from './testing/run-layer.js';
export { randomTensor, relativeError, testGpu } from './testing/values.js';
