import { DataError } from '@alex/tensor';
import { describe, expect, test } from 'vitest';
import { exampleManifest, fuzzManifest } from '../fuzzing.js';
import { parseManifest } from './manifest.js';
import { decodeNpy, encodeNpy } from './npy.js';

const parse = (value: unknown) => parseManifest('dataset.json', JSON.stringify(value));
/** The example with one value changed. */
function changed(path: string, value: unknown): unknown {
  const copy = structuredClone(exampleManifest);
  const keys = path.split('.');
  let at = copy as unknown as Record<string, unknown>;
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
  at[keys.at(-1)!] = value;
  return copy;
}

describe('dataset.json', () => {
  test('is read', () => {
    expect(parse(exampleManifest)).toEqual(exampleManifest);
  });

  test('is read even if it still calls images pictures', () => {
    const old = JSON.stringify(exampleManifest)
      .replaceAll('"images":', '"pictures":')
      .replaceAll('"meanImage":', '"meanPicture":');
    expect(parseManifest('dataset.json', old)).toEqual(exampleManifest);
  });

  test('of a newer version says so, whatever else changed', () => {
    expect(() => parse({ format: 'alex-dataset', version: 2 })).toThrow(
      'dataset.json is of version 2, this program reads up to 1: update it',
    );
  });

  test.each([
    ['splits.train.shards.0.file', '../train-000000.tar', 'must be a plain file name'],
    ['splits.train.shards.0.file', '/etc/passwd', 'must be a plain file name'],
    ['statistics.meanImage.file', 'a/b', 'must be a plain file name'],
    ['splits.train.index.file', '..', 'must be a plain file name'],
    ['format', 'other', 'format is wrong'],
    ['version', 0, 'version is wrong'],
    ['classes', [], 'classes is wrong'],
    ['splits.train.images', 6, 'train has 6 images, its shards have 5'],
    ['splits.train.shards', [], 'splits.train.shards is wrong'],
    ['preprocessing.channels', 2, 'preprocessing.channels is wrong'],
    ['preprocessing.channels', 3, 'not those of 3 channels'],
    ['preprocessing.size', 1e9, 'preprocessing.size is wrong'],
    ['statistics.mean', [null], 'statistics.mean.0 is wrong'],
    ['numbers', [4], 'classes have 1 numbers'],
    ['splits.train.index.sha256', 'abc', 'splits.train.index.sha256 is wrong'],
  ])('with %s %j is refused', (path, value, message) => {
    expect(() => parse(changed(path, value))).toThrow(DataError);
    expect(() => parse(changed(path, value))).toThrow(message);
  });

  test('truncated is refused', () => {
    const text = JSON.stringify(exampleManifest);
    for (let length = 0; length < text.length; length += 7) {
      expect(() => parseManifest('dataset.json', text.slice(0, length))).toThrow('dataset.json is not JSON');
    }
  });

  test('reads or refuses mutated files', async () => {
    const { read, refused } = await fuzzManifest({ inputs: 2000, seed: 3 });
    expect(read + refused).toBe(2000);
  });
});

describe("arrays in NumPy's format", () => {
  test('survive a round trip', () => {
    const values = [1.5, -2, 0, 3e38, 1e-40, 7];
    const bytes = encodeNpy([2, 3], values);
    expect(decodeNpy('mean.npy', bytes, [2, 3])).toEqual(Float32Array.from(values));
    // The format's own definition: magic, version 1.0, data at a multiple of 64.
    expect(bytes.toString('latin1', 1, 6)).toBe('NUMPY');
    expect((bytes.length - 4 * values.length) % 64).toBe(0);
    expect(bytes.toString('latin1')).toContain("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
    expect(encodeNpy([4], [1, 2, 3, 4]).toString('latin1')).toContain("'shape': (4,)");
  });

  test('of another shape, type or length are refused', () => {
    const bytes = encodeNpy([2, 3], [1, 2, 3, 4, 5, 6]);
    expect(() => decodeNpy('mean.npy', bytes, [3, 2])).toThrow('mean.npy contains no float32 [3, 2]');
    expect(() => decodeNpy('mean.npy', bytes.subarray(1), [2, 3])).toThrow(DataError);
    expect(() => decodeNpy('mean.npy', bytes.subarray(0, -1), [2, 3])).toThrow(DataError);
  });
});
