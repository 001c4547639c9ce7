export { readCaffeMean, readCaffemodel } from './caffemodel.js';
export type { Checkpoint } from './checkpoint.js';
export {
  checkRunConfig,
  type DataConfig,
  type ModelConfig,
  type PicturesConfig,
  type Recipe,
  type RunConfig,
} from './config.js';
export { type MixGoal, mix, mixGoals, searchMix } from './evaluation/ensemble.js';
export { type EvaluationOptions, type EvaluationResult, evaluate, Tally } from './evaluation/evaluate.js';
export { gather, type ScoreOptions, type Scores, score } from './evaluation/scores.js';
export { Submission } from './evaluation/submission.js';
export { EventFile } from './event-file.js';
export type { Metrics } from './metrics.js';
export { type Prediction, predict } from './predict.js';
export { RunDirectory } from './run-directory.js';
export { readSafetensors, type SafetensorsFile, writeSafetensors } from './safetensors.js';
export { type TrainingEvent, type TrainingOptions, type TrainingResult, train } from './train.js';
