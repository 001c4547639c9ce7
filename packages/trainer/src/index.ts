export type { Checkpoint } from './checkpoint.js';
export {
  checkRunConfig,
  type DataConfig,
  type ModelConfig,
  type PicturesConfig,
  type Recipe,
  type RunConfig,
} from './config.js';
export { type EvaluationOptions, type EvaluationResult, evaluate } from './evaluate.js';
export type { Metrics } from './metrics.js';
export { type Prediction, predict } from './predict.js';
export { RunDirectory } from './run-directory.js';
export { readSafetensors, type SafetensorsFile, writeSafetensors } from './safetensors.js';
export { type TrainingEvent, type TrainingOptions, type TrainingResult, train } from './train.js';
