export { type Augmenter, createAugmenter, type PictureBatch } from './augmenter.js';
export { createInputAugmenter } from './inputs.js';
export { type AugmenterOptions, type ColourVariation, imagenetColour, type TrainingVariation } from './options.js';
export { tenViews, type View } from './views.js';
