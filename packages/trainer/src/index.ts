export { base64FromFloats, floatsFromBase64 } from './base64.js';
export { type CaffeLayer, type Caffemodel, readCaffeMean, readCaffemodel } from './caffemodel.js';
export { type ByHand, type ChangedRun, changeRun } from './change-run.js';
export type { Checkpoint, Validation } from './checkpoint.js';
export type { CheckpointFolder } from './checkpoint-folder.js';
export {
  checkRunConfig,
  checkSchedule,
  type DataConfig,
  type ImagesConfig,
  type ModelConfig,
  type NotedModel,
  notedModel,
  type RunConfig,
} from './config.js';
export { DivergenceError, type DivergenceReport } from './divergence.js';
export { type MixGoal, mix, mixGoals, searchMix } from './evaluation/ensemble.js';
export { type EvaluationOptions, type EvaluationResult, evaluate, Tally } from './evaluation/evaluate.js';
export { gather, type ScoreOptions, type Scores, score } from './evaluation/scores.js';
export { Submission } from './evaluation/submission.js';
export { EventFile } from './event-file.js';
export type { Metrics } from './metrics.js';
export { loadLearnt, type OpenedRun, type OpenRunOptions, openRun, type RunModel } from './open-run.js';
export { type Prediction, predict } from './predict.js';
export type { Recipe, RecipeChange } from './recipe.js';
export { parseRecipe, type RecipeFile, readRecipe } from './recipe-file.js';
export { createRunAugmenter } from './run-augmenter.js';
export { type LearntWeights, RunDirectory, type WhichWeights } from './run-directory.js';
export { type LockOptions, lockRun, type RunLock } from './run-lock.js';
export { readSafetensors, type SafetensorsFile, writeSafetensors } from './safetensors.js';
export { checkStartingWeights, startingWeights } from './starting-weights.js';
export type { Placed } from './stepper.js';
export { type TrainingEvent, type TrainingOptions, type TrainingResult, train } from './train.js';
export { type WeightsFormat, weightsFormat } from './weights-format.js';
