import { DataError } from '@alex/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzzIndex } from '../fuzzing.js';
import { decodeIndex, encodeIndex } from './index-file.js';

const shards = [
  { images: 2, bytes: 4096 },
  { images: 1, bytes: 2048 },
];
const entries = [
  [512, 100, 0, 0xffffffff],
  [1536, 2560, 4, 0],
  [1024, 1, 1, 7],
] as const;
const read = (bytes: Buffer) => decodeIndex('train.index', bytes, shards, 5);

describe('the index', () => {
  test('survives a round trip', () => {
    const { offsets, lengths, labels, checksums } = read(encodeIndex(entries));
    expect(entries.map((_, i) => [offsets[i], lengths[i], labels[i], checksums[i]])).toEqual(entries);
  });

  test('truncated anywhere is refused', () => {
    const bytes = encodeIndex(entries);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => read(bytes.subarray(0, length))).toThrow(DataError);
    }
    expect(() => read(Buffer.concat([bytes, Buffer.of(0)]))).toThrow('65 bytes, 3 images need 64');
  });

  test.each([
    ['beyond its shard', [1536, 2561, 0, 0], 'image 1 is not within its shard'],
    ['in a header', [0, 100, 0, 0], 'image 1 is not within its shard'],
    ['between blocks', [513, 100, 0, 0], 'image 1 is not within its shard'],
    ['empty', [512, 0, 0, 0], 'image 1 is not within its shard'],
    ['of an unknown class', [512, 10, 5, 0], 'image 1 is of class 5 of 5'],
  ] as const)('an image %s is refused', (_, entry, message) => {
    const bytes = encodeIndex([entries[0], entry, entries[2]]);
    expect(() => read(bytes)).toThrow(message);
  });

  test('with another number of images than the shards is refused', () => {
    expect(() => read(encodeIndex(entries.slice(1)))).toThrow('it has 2 images, but the shards have 3');
  });

  test('of random bytes is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => read(Buffer.from(bytes))).toThrow(DataError);
      }),
    );
  });

  test('mutated is read or refused, and never points beyond a shard', async () => {
    const { read, refused } = await fuzzIndex({ inputs: 4000, seed: 2 });
    expect(read + refused).toBe(4000);
    expect(read).toBeGreaterThan(10);
  });
});
