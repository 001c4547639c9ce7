import { ConfigError } from '@alex/tensor';
import { expect, it } from 'vitest';
import { odd, refuse, refuseWrongOptions } from '../../../wrong-use.base.js';
import { batches, batchesPerEpoch, batchIndices, stepPosition } from './batches.js';
import { openCifar10 } from './cifar.js';
import { openEmoji } from './emoji/emoji.js';
import { decodeImage } from './image-file.js';
import { openImageFolder } from './image-folder.js';
import { openMnist } from './mnist.js';
import { openDataset } from './open-dataset.js';
import { prepareDataset } from './prepare/prepare.js';
import { openPrepared } from './prepared/open-prepared.js';
import { verifyPrepared } from './prepared/verify.js';
import { createSplit } from './split.js';
import { colourStatistics, meanImage } from './statistics.js';

const split = createSplit({
  name: 'two',
  height: 1,
  width: 1,
  channels: 1,
  labels: Uint32Array.of(0, 1),
  imageName: String,
  place: () => undefined,
});

refuseWrongOptions([
  ['batches', (options) => batches(split, options), { batch: 1 }],
  ['batchesPerEpoch', (options) => batchesPerEpoch(2, options), { batch: 1 }],
  ['batchIndices', (options) => batchIndices(2, options), { batch: 1 }],
  ['stepPosition', (options) => stepPosition(2, options, 1), { batch: 1 }],
  ['meanImage', (options) => meanImage(split, options)],
  ['colourStatistics', (options) => colourStatistics(split, options)],
  ['openEmoji', (options) => openEmoji(options)],
  ['openImageFolder', (options) => openImageFolder('folder', options)],
  ['openDataset', (options) => openDataset('emoji', options)],
  ['openPrepared', (options) => openPrepared('folder', options)],
  ['prepareDataset', (options) => prepareDataset(options), { from: 'emoji', to: 'folder' }],
]);

it('what takes some of the options of batches takes all of them', () => {
  const options = { batch: 1, seed: 3, epochs: 2, ahead: 0, shuffle: undefined };
  expect(batchesPerEpoch(2, options)).toBe(2);
  expect(stepPosition(2, options, 3)).toEqual({ epoch: 1, position: 1 });
  expect(batchIndices(2, options)).toHaveLength(1);
});

refuse(ConfigError, [
  ['a size in words', () => openEmoji(odd({ size: '64' })), "size is '64': give a whole number"],
  [
    'an order in words',
    () => batches(split, odd({ batch: 1, shuffle: 'no' })),
    'batches: shuffle must be true or false',
  ],
  ['a batch that is no number', () => batchesPerEpoch(2, { batch: Number.NaN }), 'batch is NaN: give a whole number'],
  [
    'no split',
    () => batches(odd(undefined), { batch: 1 }),
    'batches: give a split of a data set, such as dataset.train',
  ],
  ['a data set for a split', () => meanImage(odd({ train: split })), 'meanImage: give a split of a data set'],
  ['no folder', () => openImageFolder(odd(undefined)), 'openImageFolder: give the path of a folder, got undefined'],
  ['no folder', () => openPrepared(odd(3)), 'openPrepared: give the path of a folder, got 3'],
  ['no folder', () => verifyPrepared(''), "verifyPrepared: give the path of a folder, got ''"],
  ['no folder', () => openCifar10(odd(undefined)), 'CIFAR-10: give the path of a folder, got undefined'],
  ['no folder', () => openMnist(odd(undefined)), 'MNIST: give the path of a folder, got undefined'],
  ['no data set', () => openDataset(odd(undefined)), 'openDataset: give `emoji`'],
  ['no target', () => prepareDataset(odd({ from: 'emoji' })), 'prepareDataset: to: give the path of a folder'],
  [
    'images of another format',
    () => prepareDataset(odd({ from: 'emoji', to: 'folder', encoding: 'gif' })),
    "prepareDataset: encoding must be 'jpg' or 'png', got 'gif'",
  ],
  [
    'other images to be checked',
    () => openImageFolder('folder', odd({ checked: 'train' })),
    "openImageFolder: checked must be 'all' or 'validation' or 'none', got 'train'",
  ],
  [
    'a share in words',
    () => prepareDataset(odd({ from: 'emoji', to: 'folder', maxRejected: '0.5' })),
    "maxRejected is '0.5': give a fraction from 0 to 1",
  ],
  [
    'a controller for a signal',
    () => prepareDataset(odd({ from: 'emoji', to: 'folder', signal: new AbortController() })),
    'prepareDataset: signal must be an AbortSignal',
  ],
  ['an image without a size', () => decodeImage('cat', 'cat.jpg', odd(undefined)), 'cat: size must be a whole number'],
  ['an image of two channels', () => decodeImage('cat', 'cat.jpg', 4, odd(2)), 'cat: channels must be 1 or 3, got 2'],
  ['no image', () => decodeImage('cat', odd(undefined), 4), 'cat: input must be the path of a file, or its content'],
]);
