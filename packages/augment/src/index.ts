export { type Augmenter, createAugmenter, type ImageBatch } from './augmenter.js';
export { createInputAugmenter } from './inputs.js';
export { type AugmenterOptions, type ColourVariation, imagenetColour, type TrainingVariation } from './options.js';
export { tenViews, type View } from './views.js';
