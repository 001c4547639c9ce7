import type { GPUBuffer } from '@alex/tensor';
import { ConfigError, createTensor, disposeTensor, readTensor, ShapeError } from '@alex/tensor';
import { threefry2x32 } from '@alex/tensor/kernels';
import { testGpu } from '@alex/tensor/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../../../leaks.base.js';
import { createAugmenter, type ImageBatch } from './augmenter.js';
import { drawColourShift, drawView } from './draws.js';
import { type AugmenterOptions, imagenetColour, planAugmentation } from './options.js';
import { tenViews } from './views.js';

type Options = Omit<AugmenterOptions, 'output'> & { outputShape: [number, number, number, number] };

const gpu = await testGpu();
expectNoLeaks(gpu);

/** Bytes that look random and depend on the seed only. */
function randomBytes(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => threefry2x32(seed, 1, i, 0)[0] & 255);
}

/** The batches in the order `[N, C, H, W]`, from one augmenter. */
async function augment({ outputShape, ...options }: Options, batches: readonly ImageBatch[]): Promise<Float64Array[]> {
  const output = createTensor(gpu, 'input', outputShape);
  const augmenter = createAugmenter(gpu, { ...options, output });
  const results: Float64Array[] = [];
  try {
    for (const batch of batches) {
      await augmenter.run(batch);
      const memory = await readTensor(gpu, output);
      const images = outputShape[0];
      const size = memory.length / images;
      results.push(Float64Array.from(memory, (_, i) => memory[(i % size) * images + Math.floor(i / size)]!));
    }
  } finally {
    augmenter.dispose();
    disposeTensor(gpu, output);
  }
  return results;
}

/** The definition, in plain float64 loops. */
function reference({ outputShape, ...options }: Options, batch: ImageBatch): Float64Array {
  const [images, channels, cropHeight, cropWidth] = outputShape;
  const { height, width } = options.source;
  const plan = planAugmentation({
    ...options,
    output: { label: 'none', shape: outputShape, elements: 0, dataType: 'f32', buffer: {} as GPUBuffer },
  });
  const result = new Float64Array(images * channels * cropHeight * cropWidth);
  const centreTop = Math.floor((height - cropHeight) / 2);
  const centreLeft = Math.floor((width - cropWidth) / 2);
  for (let n = 0; n < batch.images.length; n++) {
    const view = batch.training
      ? drawView(plan, batch.seed, batch.epoch, batch.images[n - (n % (options.training.chunk ?? 1))]!)
      : (batch.view ?? { top: centreTop, left: centreLeft, mirrored: false });
    const shift = batch.training ? drawColourShift(plan, batch.seed, batch.epoch, batch.images[n]!) : [0, 0, 0];
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < cropHeight; y++) {
        for (let x = 0; x < cropWidth; x++) {
          const row = view.top + y;
          const column = view.left + (view.mirrored ? cropWidth - 1 - x : x);
          if (row < 0 || row >= height || column < 0 || column >= width) continue;
          const [meanRow, meanColumn] = options.meanAt === 'centre' ? [centreTop + y, centreLeft + x] : [row, column];
          const mean =
            options.mean.length === channels
              ? options.mean[c]!
              : options.mean[(c * height + meanRow) * width + meanColumn]!;
          const pixel = batch.pixels[((n * height + row) * width + column) * channels + c]!;
          const at = ((n * channels + c) * cropHeight + y) * cropWidth + x;
          result[at] = (pixel - mean + (options.training.colour ? shift[c]! : 0)) / (options.scale ?? 1);
        }
      }
    }
  }
  return result;
}

function largestDifference(got: ArrayLike<number>, want: ArrayLike<number>): number {
  expect(got.length).toBe(want.length);
  let largest = 0;
  for (let i = 0; i < got.length; i++) {
    const difference = Math.abs(got[i]! - want[i]!);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

const colour = imagenetColour;

const training = { crop: 'random', mirror: true } as const;

describe('createAugmenter', () => {
  it('matches the definition for any size, padding, mean and batch', async () => {
    const drawn = fc.record({
      images: fc.integer({ min: 1, max: 70 }),
      channels: fc.integer({ min: 1, max: 4 }),
      height: fc.integer({ min: 1, max: 13 }),
      width: fc.integer({ min: 1, max: 40 }),
      padding: fc.integer({ min: 0, max: 3 }),
      cropShare: fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
      missing: fc.integer({ min: 0, max: 3 }),
      crop: fc.constantFrom('random' as const, 'centre' as const),
      mirror: fc.boolean(),
      chunk: fc.constantFrom(1, 1, 3, 32),
      colourful: fc.boolean(),
      meanAt: fc.constantFrom('channel' as const, 'crop' as const, 'centre' as const),
      scale: fc.constantFrom(1, 58.5),
      evaluate: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(drawn, async (given) => {
        const { images, channels, height, width, padding } = given;
        const within = (size: number, share: number): number =>
          1 + Math.floor(share * ((given.meanAt === 'centre' ? size : size + 2 * padding) - 1));
        const options: Options = {
          outputShape: [images, channels, within(height, given.cropShare[0]), within(width, given.cropShare[1])],
          source: { height, width, channels },
          training: {
            crop: given.crop,
            mirror: given.mirror,
            chunk: given.chunk,
            ...(given.colourful && channels === 3 && { colour }),
          },
          mean:
            given.meanAt === 'channel'
              ? [127.305, 119.715, 104.913, 3].slice(0, channels)
              : Float32Array.from(randomBytes(channels * height * width, 2), (value) => value / 3),
          ...(given.meanAt !== 'channel' && { meanAt: given.meanAt }),
          scale: given.scale,
          padding,
        };
        const present = Math.max(1, images - given.missing);
        const batch: ImageBatch = {
          pixels: randomBytes(present * height * width * channels, 3),
          images: Uint32Array.from({ length: present }, (_, i) => 1000 * i + 5),
          training: !given.evaluate,
          seed: 11,
          epoch: 4,
        };
        const [got] = await augment(options, [batch]);
        // Pixel values of up to several hundred, in float32.
        expect(largestDifference(got!, reference(options, batch))).toBeLessThan(1e-4);
      }),
      { numRuns: 24, seed: 1 },
    );
  });

  it('treats an image the same at any position in a batch of any size', async () => {
    const bytes = 9 * 10 * 3;
    const pixels = randomBytes(5 * bytes, 4);
    const base = { source: { height: 9, width: 10, channels: 3 }, training: { ...training, colour }, mean: [1, 2, 3] };
    const common = { training: true, seed: 3, epoch: 2 };
    const [together] = await augment({ ...base, outputShape: [5, 3, 7, 6] }, [
      { ...common, pixels, images: [40, 41, 42, 43, 44] },
    ]);
    const [alone] = await augment({ ...base, outputShape: [1, 3, 7, 6] }, [
      { ...common, pixels: pixels.slice(3 * bytes, 4 * bytes), images: [43] },
    ]);
    const [first] = await augment({ ...base, outputShape: [67, 3, 7, 6] }, [
      { ...common, pixels: pixels.slice(3 * bytes), images: [43, 44] },
    ]);
    const size = 3 * 7 * 6;
    expect(together!.slice(3 * size, 4 * size)).toEqual(alone);
    expect(first!.slice(0, size)).toEqual(alone);
    expect(first!.slice(2 * size).every((value) => value === 0)).toBe(true);
    expect(first!.slice(size, 2 * size)).not.toEqual(alone);
  });

  it('gives the images of a chunk one crop and flip, and each its own colours', async () => {
    // Every pixel tells where it lies: 16 times its row, and its column.
    const [height, width] = [13, 15];
    const places = Uint8Array.from({ length: height * width * 3 }, (_, i) => {
      const pixel = Math.floor(i / 3);
      return 16 * Math.floor(pixel / width) + (pixel % width);
    });
    const images = 70;
    const options = (variation: Partial<Options['training']>): Options => ({
      outputShape: [images, 3, 3, 4],
      source: { height, width, channels: 3 },
      training: { ...training, chunk: 32, ...variation },
      mean: [0, 0, 0],
    });
    const batches = Array.from({ length: 40 }, (_, epoch) => ({
      pixels: Uint8Array.from({ length: images * places.length }, (_, i) => places[i % places.length]!),
      images: Array.from({ length: images }, (_, i) => 5 * i + epoch),
      training: true,
      seed: 9,
      epoch,
    }));
    const size = 3 * 3 * 4;
    const valuesOf = (batch: Float64Array, image: number) => [...batch.subarray(image * size, (image + 1) * size)];
    const seen = new Set<string>();
    for (const batch of await augment(options({}), batches)) {
      for (let image = 0; image < images; image++) {
        expect(valuesOf(batch, image)).toEqual(valuesOf(batch, image - (image % 32)));
      }
      for (const first of [0, 32, 64]) seen.add(String(valuesOf(batch, first)));
    }
    // 120 draws from 11 * 12 * 2 equally likely views: about 96 different ones are expected, with a deviation of 4.
    expect(seen.size).toBeGreaterThan(80);
    const [coloured] = await augment(options({ colour }), batches.slice(0, 1));
    const shifts = Array.from({ length: images }, (_, image) => valuesOf(coloured!, image)[0]!.toFixed(3));
    expect(new Set(shifts).size).toBe(images);
  });

  it('varies from epoch to epoch, and repeats with the same seed and epoch', async () => {
    const options: Options = {
      outputShape: [3, 1, 4, 4],
      source: { height: 8, width: 8, channels: 1 },
      training,
      mean: [0],
    };
    const batch = { pixels: randomBytes(3 * 64, 5), images: [0, 1, 2], training: true, seed: 0, epoch: 0 };
    const [first, second, again] = await augment(options, [batch, { ...batch, epoch: 1 }, batch]);
    expect(second).not.toEqual(first);
    expect(again).toEqual(first);
  });

  it('uses the ten views of an image in evaluation, and the central view by default', async () => {
    const options: Options = {
      outputShape: [2, 3, 3, 5],
      source: { height: 6, width: 8, channels: 3 },
      training: { ...training, colour },
      mean: [10, 20, 30],
    };
    const batch = { pixels: randomBytes(2 * 6 * 8 * 3, 6), images: [0, 1], training: false, seed: 0, epoch: 0 };
    const views = tenViews(6, 8, [3, 5]);
    const batches = [...views.map((view) => ({ ...batch, view })), batch];
    const results = await augment(options, batches);
    for (const [index, got] of results.entries()) {
      expect(largestDifference(got, reference(options, batches[index]!))).toBeLessThan(1e-4);
    }
    expect(results[10]).toEqual(results[4]);
    const mirroredAgain = Float64Array.from(results[9]!, (_, i) => results[9]![i - (i % 5) + 4 - (i % 5)]!);
    expect(mirroredAgain).toEqual(results[4]);
  });

  it('leaves no pixels of an earlier, larger batch behind', async () => {
    const options: Options = {
      outputShape: [3, 1, 2, 2],
      source: { height: 2, width: 2, channels: 1 },
      training,
      mean: [0],
    };
    const common = { training: false, seed: 0, epoch: 0 };
    const [full, last] = await augment(options, [
      { ...common, pixels: new Uint8Array(12).fill(9), images: [0, 1, 2] },
      { ...common, pixels: new Uint8Array(4).fill(7), images: [3] },
    ]);
    expect([...full!]).toEqual(new Array(12).fill(9));
    expect([...last!]).toEqual([7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('reads pixels at an odd offset of a larger array', async () => {
    const options: Options = {
      outputShape: [1, 1, 1, 3],
      source: { height: 1, width: 3, channels: 1 },
      training,
      mean: [1],
    };
    const pixels = Uint8Array.from([99, 5, 6, 7, 99]).subarray(1, 4);
    const [got] = await augment(options, [{ pixels, images: [0], training: false, seed: 0, epoch: 0 }]);
    expect([...got!]).toEqual([4, 5, 6]);
  });
});

describe('wrong use', () => {
  const base: Options = {
    outputShape: [2, 3, 4, 4],
    source: { height: 8, width: 8, channels: 3 },
    training,
    mean: [0, 0, 0],
  };
  const create = ({ outputShape, ...options }: Options): void => {
    const before = gpu.liveBuffers;
    const output = createTensor(gpu, 'input', outputShape);
    try {
      createAugmenter(gpu, { ...options, output }).dispose();
    } finally {
      disposeTensor(gpu, output);
      expect(gpu.liveBuffers).toBe(before);
    }
  };

  it.each<[string, Partial<Options>, RegExp]>([
    ['a crop larger than the image', { outputShape: [2, 3, 9, 4] }, /crops of 9 x 4 do not fit images of 8 x 8/],
    ['a crop larger than image and border', { outputShape: [2, 3, 4, 13], padding: 2 }, /padding 2/],
    ['other channels than the output', { source: { height: 8, width: 8, channels: 1 } }, /3 channels.*have 1/],
    ['five channels', { source: { height: 8, width: 8, channels: 5 } }, /source.channels.*from 1 to 4, got 5/],
    ['a height of 0', { source: { height: 0, width: 8, channels: 3 } }, /source.height.*got 0/],
    ['a negative padding', { padding: -1 }, /padding.*got -1/],
    ['half a pixel of padding', { padding: 0.5 }, /padding.*got 0.5/],
    ['a misspelt option', { pading: 2 } as object, /augmenter: unknown option 'pading'; known: output, source/],
    [
      'a misspelt variation',
      { training: { ...training, mirorr: true } as typeof training },
      /training: unknown option 'mirorr'/,
    ],
    ['a chunk of 0', { training: { ...training, chunk: 0 } }, /training.chunk.*got 0/],
    ['a scale of 0', { scale: 0 }, /scale.*got 0/],
    ['a scale of NaN', { scale: Number.NaN }, /scale.*got NaN/],
    ['two means for three channels', { mean: [1, 2] }, /mean needs 3 values.*or 192.*got 2/],
    ['a mean of NaN', { mean: [1, Number.NaN, 3] }, /mean\[1\].*got NaN/],
    [
      'a centred mean smaller than the crop',
      { outputShape: [2, 3, 10, 10], padding: 1, mean: new Float32Array(192), meanAt: 'centre' },
      /meanAt 'centre'/,
    ],
    [
      'colour axes that are not unit vectors',
      {
        training: {
          ...training,
          colour: {
            ...colour,
            axes: [
              [1, 1, 0],
              [0, 1, 0],
              [0, 0, 1],
            ],
          },
        },
      },
      /axes/,
    ],
    [
      'a negative deviation',
      { training: { ...training, colour: { ...colour, standardDeviations: [1, -1, 1] } } },
      /standardDeviations/,
    ],
    [
      'a colour strength of NaN',
      { training: { ...training, colour: { ...colour, strength: Number.NaN } } },
      /strength.*NaN/,
    ],
    [
      'colour of grey images',
      {
        outputShape: [2, 1, 4, 4],
        source: { height: 8, width: 8, channels: 1 },
        mean: [0],
        training: { ...training, colour },
      },
      /3 channels, got 1/,
    ],
    [
      'an unknown crop',
      { training: { crop: 'corner' as 'random', mirror: true } },
      /'random' or 'centre', got 'corner'/,
    ],
  ])('refuses %s', (_, change, message) => {
    expect(() => create({ ...base, ...change })).toThrow(ConfigError);
    expect(() => create({ ...base, ...change })).toThrow(message);
  });

  it('refuses an output that is not a batch of images', () => {
    const { outputShape, ...options } = base;
    const output = createTensor(gpu, 'features', [2, 48]);
    expect(() => createAugmenter(gpu, { ...options, output })).toThrow(ShapeError);
    disposeTensor(gpu, output);
  });

  it('refuses a batch that does not fit, before it touches the adapter', async () => {
    const { outputShape, ...options } = base;
    const output = createTensor(gpu, 'input', outputShape);
    const augmenter = createAugmenter(gpu, { ...options, output });
    const good: ImageBatch = { pixels: new Uint8Array(384), images: [0, 1], training: true, seed: 0, epoch: 0 };
    const view = { top: 0, left: 0, mirrored: false };
    const cases: [Partial<ImageBatch>, typeof ConfigError, RegExp][] = [
      [{ pixels: new Uint8Array(383) }, ShapeError, /need 384 bytes, got 383/],
      [{ images: [0, 1, 2] }, ConfigError, /number of images.*from 1 to 2, got 3/],
      [{ images: [], pixels: new Uint8Array(0) }, ConfigError, /got 0/],
      [{ images: [0, -1] }, ConfigError, /images\[1\].*got -1/],
      [{ seed: 2 ** 32 }, ConfigError, /seed/],
      [{ epoch: 1.5 }, ConfigError, /epoch.*1.5/],
      [{ view }, ConfigError, /for evaluation/],
      [{ training: false, view: { ...view, top: 5 } }, ConfigError, /view.top.*from 0 to 4, got 5/],
      [{ training: false, view: { ...view, left: Number.NaN } }, ConfigError, /view.left.*NaN/],
    ];
    try {
      await augmenter.run(good);
      for (const [change, error, message] of cases) {
        const run = augmenter.run({ ...good, ...change });
        await expect(run).rejects.toThrow(error);
        await expect(run).rejects.toThrow(message);
      }
    } finally {
      augmenter.dispose();
      disposeTensor(gpu, output);
    }
  });
});
