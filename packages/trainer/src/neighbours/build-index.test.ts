import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Split } from '@alex/data';
import { dense } from '@alex/layers-dense';
import { alexnet } from '@alex/model-alexnet';
import { place } from '@alex/multi-gpu';
import { ConfigError, DataError, describeNetwork } from '@alex/tensor';
import { testGpu } from '@alex/tensor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../../../../leaks.base.js';
import { temporaryFolder } from '../../../../temporary.base.js';
import { activationsOf, featureShape, lastHiddenLayer } from '../activations.js';
import { configOf, datasetOf, withAugmenter } from '../testing.js';
import type { Viewer } from '../viewer.js';
import { buildIndex, indexBytes } from './build-index.js';
import { FeatureIndex } from './feature-index.js';
import { findNearest } from './nearest.js';
import { bruteForce } from './testing.js';

const folder = temporaryFolder();
const description = describeNetwork({
  name: 'dense',
  input: [3, 24, 24],
  layers: [
    dense({ name: 'fc1', units: 12, initial: { weightDeviation: 0.05 } }),
    dense({ name: 'fc2', units: 9, initial: { weightDeviation: 0.3 } }),
    dense({ name: 'fc3', units: 3 }),
  ],
});
const layer = lastHiddenLayer(description);
const { train, validation } = datasetOf();
const gpu = await testGpu();
expectNoLeaks(gpu);
let viewer: Viewer & { dispose(): void };

beforeAll(() => {
  viewer = withAugmenter(place(description, [gpu], { batch: 4, seed: 3, training: false }), configOf());
});
afterAll(() => viewer.dispose());

/** The images of a split, those that are named twice for one another. */
function withTwins(split: Split, twins: Readonly<Record<number, number>>): Split {
  return { ...split, read: (numbers) => split.read(Array.from(numbers, (number) => twins[number] ?? number)) };
}

const read = (split: Split, numbers: readonly number[]) => split.read(numbers);
const featuresOf = async (split: Split, numbers: readonly number[]) =>
  activationsOf(viewer, await read(split, numbers), layer);

describe('activationsOf', () => {
  it("returns a layer's activations for any number of images, the same as the network for a batch", async () => {
    const whole = await featuresOf(validation, [0, 1, 2, 3, 4, 5, 6]);
    expect(whole.shape).toEqual([7, 9]);
    for (const numbers of [[4, 5, 6], [6]]) {
      const { data } = await featuresOf(validation, numbers);
      expect(data).toEqual(whole.data.subarray(numbers[0]! * 9, 7 * 9));
    }
    const lower = await activationsOf(viewer, await read(validation, [8, 2]), 'fc1');
    expect(lower.shape).toEqual([2, ...featureShape(description, 'fc1')]);
    const refused = activationsOf(viewer, await read(validation, [1]), 'conv9');
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(/dense: has no layer conv9; its layers are fc1, fc2, fc3/);
  });
});

describe('lastHiddenLayer', () => {
  it.each([
    ['paper', 'relu7'],
    ['torchvision', 'relu7'],
    ['small', 'relu5'],
    ['cifar-18pct', 'pool3'],
    ['cifar-13pct', 'relu4'],
  ] as const)('of %s is %s', (variant, wanted) => {
    expect(lastHiddenLayer(alexnet({ variant }))).toBe(wanted);
  });

  it('of a network with one layer there is none', () => {
    const single = describeNetwork({
      name: 'single',
      input: [1, 2, 2],
      layers: [dense({ name: 'fc1', units: 2 })],
    });
    expect(() => lastHiddenLayer(single)).toThrow(/single: has no hidden layer/);
  });
});

describe('buildIndex', () => {
  it('builds an index in which the nearest are found, equal images in the order of their numbers', async () => {
    const path = join(folder, 'twins.index');
    // Image 20 is alone in its batch: its neighbours in the batch must not matter.
    const split = withTwins(train, { 13: 5, 20: 5 });
    expect(await buildIndex({ ...viewer, path, split, layer, identity: {} })).toBe(true);
    expect((await stat(path)).size - indexBytes(21, [9])).toBeLessThan(500);
    const index = await FeatureIndex.open(path);
    const vectors = await featuresOf(
      split,
      Array.from({ length: 21 }, (_, i) => i),
    );
    const features = await featuresOf(validation, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const exact = async (rows: readonly number[]) => (await featuresOf(split, rows)).data;
    const found = await findNearest({ gpu, index, features, exact });
    for (const [i, own] of found.entries()) {
      expect(own).toEqual(bruteForce(vectors, features.data.subarray(i * 9, (i + 1) * 9), 6));
    }
    const [itself] = await findNearest({ gpu, index, features: await featuresOf(train, [5]), exact, count: 4 });
    expect(itself!.slice(0, 3)).toEqual([5, 13, 20].map((row) => ({ row, distance: 0 })));
    expect(itself![3]!.distance).toBeGreaterThan(0);
    await index.close();
  });

  it('that was stopped, or failed at an unreadable image, is continued', async () => {
    const path = join(folder, 'stopped.index');
    const stop = new AbortController();
    const progress: number[] = [];
    const options = { ...viewer, path, layer, identity: { of: 'a test' } };
    const onProgress = (images: number) => {
      progress.push(images);
      if (images === 8) stop.abort();
    };
    expect(await buildIndex({ ...options, split: train, signal: stop.signal, onProgress })).toBe(false);
    expect(progress).toEqual([0, 4, 8]);
    const broken = buildIndex({ ...options, split: datasetOf({ broken: 14 }).train, onProgress });
    await expect(broken).rejects.toThrow(DataError);
    await expect(broken).rejects.toThrow(/image 14 is torn/);
    expect(progress).toEqual([0, 4, 8, 8, 12]);
    expect(await buildIndex({ ...options, split: train, onProgress })).toBe(true);
    expect(progress.slice(5)).toEqual([12, 16, 20, 21]);
    const index = await FeatureIndex.open(path);
    const bytes = new Uint8Array(21 * index.row.bytes);
    await index.read(0, 21, bytes);
    const vectors = await featuresOf(
      train,
      Array.from({ length: 21 }, (_, i) => i),
    );
    for (let row = 0; row < 21; row++) {
      const at = row * index.row.bytes;
      const distance = Math.sqrt(index.row.squaredDistance(bytes, at, vectors.data.subarray(row * 9, (row + 1) * 9)));
      expect(distance).toBeLessThanOrEqual(index.row.facts(bytes, at).residual);
    }
    await index.close();
  });

  it('of a layer that does not exist creates no file', async () => {
    const path = join(folder, 'none.index');
    await expect(buildIndex({ ...viewer, path, split: train, layer: 'fc9', identity: {} })).rejects.toThrow(
      ConfigError,
    );
    await expect(stat(path)).rejects.toThrow(/ENOENT/);
    await expect(stat(`${path}.building`)).rejects.toThrow(/ENOENT/);
  });
});
