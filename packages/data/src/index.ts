export {
  type BatchesOptions,
  type BatchOrder,
  type BatchSize,
  batches,
  batchesPerEpoch,
  batchIndices,
  type EpochBatch,
  type StepPosition,
  stepPosition,
} from './batches.js';
export { openCifar10, openCifar100 } from './cifar.js';
export type { ColourStatistics, Dataset, DatasetStatistics, ImageBatch, Licence, Split } from './dataset.js';
export { type EmojiOptions, emojiLicences, openEmoji } from './emoji/emoji.js';
export { decodeImage } from './image-file.js';
export { type ImageFolderOptions, openImageFolder } from './image-folder.js';
export { openFashionMnist, openMnist } from './mnist.js';
export { type DatasetOptions, openDataset } from './open-dataset.js';
export { prefetch } from './prefetch.js';
export { tools as imageTools } from './prepare/finish.js';
export type { SourceOptions } from './prepare/open-source.js';
export { type Preparation, type PreparationEvent, type PrepareOptions, prepareDataset } from './prepare/prepare.js';
export { type MakeShardsOptions, makeShards, type ShardTask } from './prepare/shard-processes.js';
export { type SourceKind, sourceKinds } from './prepare/source.js';
export type { Manifest } from './prepared/manifest.js';
export { npyHeader } from './prepared/npy.js';
export { openPrepared, type PreparedOptions } from './prepared/open-prepared.js';
export { verifyPrepared } from './prepared/verify.js';
export { colourStatistics, meanImage, type StatisticsOptions } from './statistics.js';
export { textOf } from './text.js';
