import { createTensor, disposeTensor, type Gpu, openGpu, readTensor, ShapeError } from '@alex/tensor';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAugmenter } from './augmenter.js';
import { createInputAugmenter } from './inputs.js';

let gpus: Gpu[];

beforeAll(async () => {
  const adapter = process.env['ALEX_ADAPTER'];
  gpus = [await openGpu(adapter ? { adapter } : {}), await openGpu(adapter ? { adapter } : {})];
});

afterAll(() => {
  for (const gpu of gpus) gpu.dispose();
});

test('adapters that divide the images produce together what one produces', async () => {
  const [height, width, channels] = [6, 5, 3];
  const options = {
    source: { height, width, channels },
    // The second chunk is divided between the two.
    training: { crop: 'random', mirror: true, chunk: 2 },
    mean: [1, 2, 3],
    scale: 2,
  } as const;
  const image = [3, 4, 4];
  const all = createTensor(gpus[0]!, 'all', [5, ...image]);
  const shares = [3, 2].map((images, index) => createTensor(gpus[index]!, 'share', [images, ...image]));
  const one = createAugmenter(gpus[0]!, { ...options, output: all });
  const two = createInputAugmenter(
    shares.map((tensor, index) => ({ gpu: gpus[index]!, tensor, firstImage: 3 * index })),
    options,
  );
  for (const count of [5, 4, 2]) {
    const images = Array.from({ length: count }, (_, index) => 17 * index);
    const pixels = Uint8Array.from({ length: count * height * width * channels }, (_, index) => (index * 37) % 256);
    const batch = { pixels, images, training: true, seed: 3, epoch: 2 };
    await one.run(batch);
    await two.run(batch);
    const whole = await readTensor(gpus[0]!, all);
    const parts = [await readTensor(gpus[0]!, shares[0]!), await readTensor(gpus[1]!, shares[1]!)];
    // The image is the fastest-varying index in memory.
    for (let image = 0; image < count; image++) {
      const [part, own, images] = image < 3 ? [parts[0]!, image, 3] : [parts[1]!, image - 3, 2];
      const valuesOf = (values: ArrayLike<number>, at: number, of: number) =>
        Array.from({ length: 48 }, (_, feature) => values[feature * of + at]);
      expect(valuesOf(part, own, images)).toEqual(valuesOf(whole, image, 5));
    }
  }
  const wrong = { pixels: new Uint8Array(7), images: [0, 1], training: false, seed: 0, epoch: 0 };
  await expect(two.run(wrong)).rejects.toThrow(ShapeError);
  await expect(two.run({ ...wrong, images: [0, 1, 2, 3, 4, 5] })).rejects.toThrow(/number of images/);
  one.dispose();
  two.dispose();
  disposeTensor(gpus[0]!, all);
  shares.forEach((tensor, index) => {
    disposeTensor(gpus[index]!, tensor);
  });
  expect(gpus.map((gpu) => gpu.liveBuffers)).toEqual([0, 0]);
});
