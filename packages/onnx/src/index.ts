export type { Preprocessing } from './preprocessing.js';
export type { ReadExternal } from './read/external-data.js';
export { type OnnxNetwork, type ReadOnnxOptions, readOnnx } from './read/read-onnx.js';
export { type WriteOnnxOptions, writeOnnx } from './write/write-onnx.js';
