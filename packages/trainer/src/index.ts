export { ActivationFile, type ImageNote } from './activation-file.js';
export { activationsOf, featureShape, lastHiddenLayer } from './activations.js';
export { base64FromFloats, floatsFromBase64 } from './base64.js';
export { type CaffeLayer, type Caffemodel, readCaffeMean, readCaffemodel } from './caffemodel.js';
export { writeCaffeMean, writeCaffemodel } from './caffemodel-writer.js';
export { type ByHand, type ChangedRun, changeRun } from './change-run.js';
export type { Checkpoint, Validation } from './checkpoint.js';
export type { CheckpointFolder } from './checkpoint-folder.js';
export { colourfulness, colourfulnessOfFilters, colourMetrics, colourWeight } from './colourfulness.js';
export {
  checkRunConfig,
  checkSchedule,
  type DataConfig,
  type ImagesConfig,
  type ModelConfig,
  modelNotes,
  type NotedModel,
  notedModel,
  type RunConfig,
} from './config.js';
export { DivergenceError, type DivergenceReport } from './divergence.js';
export type { Divergence } from './divergence-file.js';
export { type MixGoal, mix, mixGoals, searchMix } from './evaluation/ensemble.js';
export { type EvaluationOptions, type EvaluationResult, evaluate, Tally } from './evaluation/evaluate.js';
export { gather, type ScoreOptions, type Scores, score } from './evaluation/scores.js';
export { Submission } from './evaluation/submission.js';
export { EventFile } from './event-file.js';
export type { Metrics } from './metrics.js';
export { type BuildIndexOptions, buildIndex, indexBytes } from './neighbours/build-index.js';
export { FeatureIndex, FeatureIndexWriter } from './neighbours/feature-index.js';
export type { IndexDescription } from './neighbours/index-header.js';
export { findNearest, type NearestOptions, type Neighbour } from './neighbours/nearest.js';
export { loadLearnt, type OpenedRun, type OpenRunOptions, openRun, type RunModel } from './open-run.js';
export { type Prediction, predict } from './predict.js';
export type { Ending, Origin, ProvenanceFile, Stretch } from './provenance.js';
export { ElsewhereError, gatherNumbers, type TrainingRanks } from './ranks.js';
export type { Recipe, RecipeChange } from './recipe.js';
export { parseRecipe, type RecipeFile, readRecipe } from './recipe-file.js';
export { createRunAugmenter } from './run-augmenter.js';
export { RunDirectory } from './run-directory.js';
export { tuningsOfRun } from './run-files.js';
export { type LockOptions, lockRun, type RunLock } from './run-lock.js';
export { readSafetensors, type SafetensorsFile, writeSafetensors } from './safetensors.js';
export { SharedRun, type TrainedRun } from './shared-run.js';
export { splitOfRank } from './split-of-rank.js';
export { checkStartingWeights, startingWeights } from './starting-weights.js';
export type { Placed } from './stepper.js';
export { type TrainingEvent, type TrainingOptions, type TrainingResult, train } from './train.js';
export type { Viewer } from './viewer.js';
export type { LearntWeights, WhichWeights } from './weights-file.js';
export { type WeightsFormat, weightsFormat } from './weights-format.js';
