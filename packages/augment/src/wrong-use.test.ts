import { ConfigError, createTensor, disposeTensor, type Gpu, ShapeError, type Tensor } from '@alex/tensor';
import { testGpu } from '@alex/tensor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { odd } from '../../../wrong-use.base.js';
import { type Augmenter, createAugmenter } from './augmenter.js';
import { createInputAugmenter } from './inputs.js';
import { imagenetColour } from './options.js';

const options = {
  source: { height: 2, width: 2, channels: 3 },
  training: { crop: 'random', mirror: true },
  mean: [0, 0, 0],
} as const;
const batch = { pixels: new Uint8Array(12), images: [0], training: false, seed: 0, epoch: 0 };

let gpu: Gpu;
let output: Tensor;
beforeAll(async () => {
  gpu = await testGpu();
  output = createTensor(gpu, 'crops', [1, 3, 2, 2]);
});
afterAll(() => disposeTensor(gpu, output));

const ways: readonly (readonly [string, (more: object) => Augmenter])[] = [
  ['createAugmenter', (more) => createAugmenter(gpu, { ...options, output, ...more })],
  [
    'createInputAugmenter',
    (more) => createInputAugmenter([{ gpu, tensor: output, firstImage: 0 }], { ...options, ...more }),
  ],
];

describe.each(ways)('%s', (_, create) => {
  it.each<[string, object, string]>([
    ['an option that it does not know', { paddin: 4 }, "augmenter: unknown option 'paddin'; known: "],
    [
      'what varies that it does not know',
      { training: { ...options.training, mirrored: true } },
      "unknown option 'mirrored'",
    ],
    ['no sizes', { source: undefined }, 'augmenter: source must be the sizes { height, width, channels }'],
    ['a size in words', { source: { ...options.source, width: '2' } }, 'source.width must be a whole number from 1'],
    ['no mean', { mean: undefined }, 'augmenter: mean must be an array of numbers, got undefined'],
    ['a mean that is no list', { mean: 120 }, 'augmenter: mean must be an array of numbers, got 120'],
    [
      'colours without axes',
      { training: { ...options.training, colour: { standardDeviations: [1, 1, 1] } } },
      'augmenter: training.colour.axes must be 3 rows of 3 numbers',
    ],
    [
      'colours without deviations',
      { training: { ...options.training, colour: { axes: imagenetColour.axes } } },
      'training.colour.standardDeviations must be 3 numbers of at least 0, got undefined',
    ],
  ])('refuses %s', (_, more, message) => {
    expect(() => create(more)).toThrow(ConfigError);
    expect(() => create(more)).toThrow(message);
  });

  it('takes what else a batch of a data set has', async () => {
    const augmenter = create({});
    try {
      await augmenter.run(odd({ ...batch, count: 1, height: 2, width: 2, channels: 3, labels: [0], position: 0 }));
    } finally {
      augmenter.dispose();
    }
  });

  it('takes the colour statistics of a data set, which hold more than it needs', () => {
    create({ training: { ...options.training, colour: { ...imagenetColour, eigenvalues: [3, 2, 1] } } }).dispose();
  });

  it.each<[string, unknown, typeof ConfigError, string]>([
    ['nothing', undefined, ConfigError, 'augmenter'],
    [
      'a misspelt view',
      { ...batch, veiw: { top: 0 } },
      ConfigError,
      "augmenter: run: unknown option 'veiw'; known: pixels, ",
    ],
    ['no images', { ...batch, images: undefined }, ConfigError, 'the number of images must be'],
    [
      'numbers in an array',
      { ...batch, pixels: Array(12).fill(0) },
      ShapeError,
      'pixels must be a Uint8Array of values',
    ],
    [
      'fractions',
      { ...batch, pixels: new Float32Array(12) },
      ShapeError,
      'got Float32Array; use Uint8Array.from(pixels)',
    ],
    ['a purpose in words', { ...batch, training: 'no' }, ConfigError, "training must be true or false, got 'no'"],
    ['no seed', { ...batch, training: true, seed: undefined }, ConfigError, 'seed must be a whole number from 0'],
  ])('refuses to run for %s', async (_, given, kind, message) => {
    const augmenter = create({});
    try {
      await expect(augmenter.run(odd(given))).rejects.toThrow(kind);
      await expect(augmenter.run(odd(given))).rejects.toThrow(message);
    } finally {
      augmenter.dispose();
    }
  });
});

it('what is no output and no input of a network is refused', () => {
  expect(() => createAugmenter(gpu, odd(options))).toThrow(
    new ConfigError('augmenter: output must be a tensor, such as network.input, got undefined'),
  );
  for (const inputs of [undefined, [], output]) {
    expect(() => createInputAugmenter(odd(inputs), options)).toThrow(ConfigError);
    expect(() => createInputAugmenter(odd(inputs), options)).toThrow('augmenter: inputs are those of a network');
  }
});
