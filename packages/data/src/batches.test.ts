import { ConfigError, DataError } from '@alex/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BatchesOptions, batches, batchesPerEpoch, batchIndices, stepPosition } from './batches.js';
import { createSplit } from './split.js';
import { splitOfImages } from './testing.js';

const words = fc.nat(0xffffffff);
const lastBatches = fc.constantFrom('drop' as const, 'keep' as const);

/** A length and a batch that fits in it. */
const sizes = fc
  .integer({ min: 1, max: 300 })
  .chain((length) => fc.record({ length: fc.constant(length), batch: fc.integer({ min: 1, max: length }) }));

function epochOf(length: number, options: Parameters<typeof batchIndices>[1]): number[] {
  return Array.from({ length: batchesPerEpoch(length, options) }, (_, position) => [
    ...batchIndices(length, { ...options, position }),
  ]).flat();
}

describe('batchIndices', () => {
  test('an epoch visits every image once, or all but the remainder', () => {
    fc.assert(
      fc.property(sizes, words, words, lastBatches, ({ length, batch }, seed, epoch, lastBatch) => {
        const visited = epochOf(length, { batch, seed, epoch, lastBatch });
        expect(new Set(visited).size).toBe(visited.length);
        expect(visited.every((i) => i >= 0 && i < length)).toBe(true);
        expect(visited.length).toBe(lastBatch === 'keep' ? length : length - (length % batch));
      }),
    );
  });

  test('the order depends on seed and epoch, not on the batch size', () => {
    fc.assert(
      fc.property(sizes, words, words, ({ length, batch }, seed, epoch) => {
        const parted = epochOf(length, { batch, seed, epoch, lastBatch: 'keep' });
        expect(parted).toEqual([...batchIndices(length, { batch: length, seed, epoch })]);
      }),
    );
  });

  test('the order differs between seeds and between epochs', () => {
    const orders = [
      { seed: 1, epoch: 0 },
      { seed: 1, epoch: 1 },
      { seed: 2, epoch: 0 },
      { seed: 2, epoch: 1 },
    ].map((order) => batchIndices(50, { batch: 50, ...order }).join());
    expect(new Set(orders).size).toBe(4);
  });

  test('all orders of three images come about equally often', () => {
    const seen = new Map<string, number>();
    const draws = 6000;
    for (let epoch = 0; epoch < draws; epoch++) {
      const order = batchIndices(3, { batch: 3, seed: 7, epoch }).join();
      seen.set(order, (seen.get(order) ?? 0) + 1);
    }
    expect(seen.size).toBe(6);
    // Five standard deviations of a binomial of 6000 draws at 1/6.
    const tolerance = 5 * Math.sqrt(draws * (1 / 6) * (5 / 6));
    for (const count of seen.values()) expect(Math.abs(count - draws / 6)).toBeLessThan(tolerance);
  });

  test('without shuffling the order is that of the split, every epoch', () => {
    expect([...batchIndices(7, { batch: 3, seed: 5, epoch: 3, position: 1, shuffle: false })]).toEqual([3, 4, 5]);
  });

  test('the caller may overwrite the returned indices', () => {
    const order = { batch: 10, seed: 1, epoch: 0 };
    const before = [...batchIndices(10, order)];
    batchIndices(10, order).fill(0);
    expect([...batchIndices(10, order)]).toEqual(before);
  });

  test.each([
    [{ batch: 0 }, 'batch is 0'],
    [{ batch: -1 }, 'batch is -1'],
    [{ batch: 2.5 }, 'batch is 2.5'],
    [{ batch: Number.NaN }, 'batch is NaN'],
    [{ batch: 11 }, 'only 10 images'],
    [{ batch: 3, position: 3 }, 'position is 3'],
    [{ batch: 3, position: -1 }, 'position is -1'],
    [{ batch: 3, seed: -1 }, 'seed is -1'],
    [{ batch: 3, seed: 2 ** 32 }, 'seed is 4294967296'],
    [{ batch: 3, epoch: 0.5 }, 'epoch is 0.5'],
  ])('refuses %o', (options, message) => {
    expect(() => batchIndices(10, options)).toThrow(ConfigError);
    expect(() => batchIndices(10, options)).toThrow(message);
  });

  test('refuses an unknown option for the last batch', () => {
    expect(() => batchesPerEpoch(10, { batch: 3, lastBatch: 'pad' as 'keep' })).toThrow(
      "lastBatch is pad: give 'drop'",
    );
  });
});

describe('stepPosition', () => {
  test('steps after an interruption read the same images as without it', () => {
    fc.assert(
      fc.property(sizes, words, lastBatches, fc.nat(20), ({ length, batch }, seed, lastBatch, step) => {
        const uninterrupted: string[] = [];
        for (let epoch = 0; uninterrupted.length <= step; epoch++) {
          for (let position = 0; position < batchesPerEpoch(length, { batch, lastBatch }); position++) {
            uninterrupted.push(batchIndices(length, { batch, seed, epoch, position, lastBatch }).join());
          }
        }
        const place = stepPosition(length, { batch, lastBatch }, step);
        expect(batchIndices(length, { batch, seed, lastBatch, ...place }).join()).toBe(uninterrupted[step]);
      }),
    );
  });

  test('refuses a step that is not a count', () => {
    expect(() => stepPosition(10, { batch: 2 }, -1)).toThrow(ConfigError);
  });
});

describe('batches', () => {
  const images = Array.from({ length: 10 }, (_, i) => [i, i, i, i]);
  const split = splitOfImages(images, [2, 2, 1]);

  async function read(options: BatchesOptions) {
    const seen = [];
    for await (const batch of batches(split, options)) seen.push(batch);
    return seen;
  }

  test('returns images with their labels and indices', async () => {
    for (const batch of await read({ batch: 4, seed: 3, epoch: 2, lastBatch: 'keep' })) {
      expect(batch.count).toBe(batch.images.length);
      expect([...batch.pixels]).toEqual([...batch.images].flatMap((i) => images[i]!));
      expect([...batch.labels]).toEqual([...batch.images].map((i) => i % 2));
    }
  });

  test('continues over epochs from the middle of one, as batchIndices says', async () => {
    const seen = await read({ batch: 4, seed: 3, epoch: 5, position: 1, epochs: 2 });
    expect(seen.map(({ epoch, position }) => [epoch, position])).toEqual([
      [5, 1],
      [6, 0],
      [6, 1],
    ]);
    for (const { epoch, position, images } of seen) {
      expect(images).toEqual(batchIndices(10, { batch: 4, seed: 3, epoch, position }));
    }
  });

  test('an unreadable image surfaces in place of its batch', async () => {
    const broken = createSplit({
      name: 'broken',
      height: 1,
      width: 1,
      channels: 1,
      labels: new Uint32Array(6),
      imageName: String,
      place(i) {
        if (i === 5) throw new DataError('image 5 is torn');
      },
    });
    const positions: number[] = [];
    const reading = (async () => {
      for await (const { position } of batches(broken, { batch: 2, shuffle: false })) positions.push(position);
    })();
    await expect(reading).rejects.toThrow('image 5 is torn');
    expect(positions).toEqual([0, 1]);
  });

  test.each([
    [{ batch: 0 }, 'batch is 0'],
    [{ batch: 2, epochs: 0 }, 'epochs is 0'],
    [{ batch: 2, epochs: 1.5 }, 'epochs is 1.5'],
    [{ batch: 2, position: 5 }, 'position is 5'],
    [{ batch: 2, seed: 1.5 }, 'seed is 1.5'],
  ])('refuses %o at once', (options, message) => {
    expect(() => batches(split, options)).toThrow(message);
  });
});
