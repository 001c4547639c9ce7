export type { Preprocessing } from './preprocessing.js';
export { type WriteOnnxOptions, writeOnnx } from './write/write-onnx.js';
