import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, DataError, type HostTensor, ShapeError } from '@alex/tensor';
import { randomTensor, testGpu } from '@alex/tensor/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectNoLeaks } from '../../../../leaks.base.js';
import { temporaryFolder } from '../../../../temporary.base.js';
import { FeatureIndex } from './feature-index.js';
import { findNearest, type NearestOptions } from './nearest.js';
import { bruteForce, writeIndex } from './testing.js';

const folder = temporaryFolder();
const gpu = await testGpu();
expectNoLeaks(gpu);

let files = 0;
const file = () => join(folder, `${files++}.index`);

function rowOf({ shape, data }: HostTensor, row: number): Float32Array {
  const columns = data.length / shape[0]!;
  return data.subarray(row * columns, (row + 1) * columns);
}

/** The found neighbours, the number of rows whose exact features were requested, and the right neighbours. */
async function search(vectors: HostTensor, features: HostTensor, options: Partial<NearestOptions> = {}) {
  const index = await writeIndex(file(), vectors);
  const asked: number[] = [];
  const exact = async (rows: readonly number[]) => {
    asked.push(...rows);
    return Float32Array.from(rows.flatMap((row) => [...rowOf(vectors, row)]));
  };
  try {
    const found = await findNearest({ gpu, index, features, exact, ...options });
    const wanted = found.map((_, i) => bruteForce(vectors, rowOf(features, i), options.count ?? 6));
    return { found, wanted, asked };
  } finally {
    await index.close();
  }
}

/** Vectors around a few centres, so that some are near. */
function clustered(rows: number, columns: number, seed: number, { spread = 0.1, scale = 1 } = {}): HostTensor {
  const centres = randomTensor([4, columns], seed, scale);
  const noise = randomTensor([rows, columns], seed + 1, scale * spread);
  return {
    shape: [rows, columns],
    data: noise.data.map((value, i) => value + centres.data[(Math.floor(i / columns) % 4) * columns + (i % columns)]!),
  };
}

describe('findNearest', () => {
  it('finds the same as brute force in float64, for any number and length of vectors', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          rows: fc.integer({ min: 1, max: 60 }),
          columns: fc.integer({ min: 1, max: 33 }),
          queries: fc.integer({ min: 1, max: 5 }),
          count: fc.integer({ min: 1, max: 8 }),
          pieceBytes: fc.integer({ min: 1, max: 3000 }),
          seed: fc.nat(1000),
          scale: fc.constantFrom(1, 1e-20, 3e8, 1e18),
        }),
        async ({ rows, columns, queries, count, pieceBytes, seed, scale }) => {
          const vectors = clustered(rows, columns, seed, { scale });
          const features = clustered(queries, columns, seed, { scale });
          const { found, wanted } = await search(vectors, features, { count, pieceBytes });
          expect(found).toEqual(wanted);
        },
      ),
      { numRuns: 8, seed: 5 },
    );
  });

  it('asks for few exact features where neighbours lie apart', async () => {
    const { found, wanted, asked } = await search(clustered(300, 96, 1), clustered(3, 96, 1));
    expect(found).toEqual(wanted);
    expect(asked.length).toBeLessThan(3 * 12);
  });

  it('distinguishes vectors that are equal in 16 bits', async () => {
    const base = randomTensor([1, 40], 2).data;
    // The nearest come last, and all of them differ by less than the precision of a half.
    const data = Float32Array.from(
      { length: 50 * 40 },
      (_, i) => base[i % 40]! * (1 + (50 - Math.floor(i / 40)) * 2 ** -20),
    );
    const vectors = { shape: [50, 40], data };
    const { found, wanted } = await search(vectors, { shape: [1, 40], data: base });
    expect(found).toEqual(wanted);
    expect(found[0]!.map(({ row }) => row)).toEqual([49, 48, 47, 46, 45, 44]);
  });

  it('returns equally distant ones in the order of their numbers', async () => {
    const some = randomTensor([3, 10], 3);
    const data = Float32Array.from([2, 0, 1, 1, 0, 1, 1, 2, 1, 1, 1].flatMap((row) => [...rowOf(some, row)]));
    const { found, wanted } = await search({ shape: [11, 10], data }, { shape: [1, 10], data: rowOf(some, 1) });
    expect(found).toEqual(wanted);
    expect(found[0]).toEqual([2, 3, 5, 6, 8, 9].map((row) => ({ row, distance: 0 })));
  });

  it('and vectors at one distance on all sides', async () => {
    const data = new Float32Array(12 * 12);
    for (let i = 0; i < 12; i++) data[i * 12 + i] = i % 2 === 0 ? 0.1 : -0.1;
    const { found, wanted } = await search({ shape: [12, 12], data }, { shape: [1, 12], data: new Float32Array(12) });
    expect(found).toEqual(wanted);
    expect(found[0]!.map(({ row }) => row)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('needs no exact features if a layer is dead', async () => {
    const vectors = { shape: [5000, 4], data: new Float32Array(5000 * 4) };
    const { found, wanted, asked } = await search(vectors, {
      shape: [2, 4],
      data: Float32Array.of(0, 0, 0, 0, 3, 0, 4, 0),
    });
    expect(found).toEqual(wanted);
    expect(found[1]).toEqual([0, 1, 2, 3, 4, 5].map((row) => ({ row, distance: 5 })));
    expect(asked).toEqual([]);
  });

  it('finds all images if there are fewer than requested', async () => {
    const { found, wanted } = await search(clustered(3, 8, 4), clustered(1, 8, 4), { count: 10 });
    expect(found[0]).toHaveLength(3);
    expect(found).toEqual(wanted);
  });

  it('accepts more images than one pass compares, and features of maps', async () => {
    const vectors = clustered(40, 12, 5);
    const features = clustered(70, 12, 5);
    const passes: number[] = [];
    const { found, wanted } = await search(
      { ...vectors, shape: [40, 3, 2, 2] },
      { ...features, shape: [70, 3, 2, 2] },
      { count: 2, onProgress: (rows) => passes.push(rows) },
    );
    expect(found).toEqual(wanted);
    expect(passes).toEqual([40, 40]);
  });

  it('refuses images whose features have changed, and vectors that do not fit', async () => {
    const vectors = clustered(20, 8, 6);
    const features = clustered(1, 8, 6);
    const others = { exact: async (rows: readonly number[]) => new Float32Array(rows.length * 8).fill(0.3) };
    await expect(search(vectors, features, others)).rejects.toThrow(DataError);
    await expect(search(vectors, features, others)).rejects.toThrow(/image \d+ has other features than when the index/);
    const few = { exact: async () => new Float32Array(3) };
    await expect(search(vectors, features, few)).rejects.toThrow(/exact gave 3 values for \d+ images of 8/);
    await expect(search(vectors, clustered(1, 9, 6))).rejects.toThrow(ShapeError);
    await expect(search(vectors, clustered(1, 9, 6))).rejects.toThrow(/has features of shape \[8\], got \[9\]/);
    await expect(search(vectors, features, { count: 0 })).rejects.toThrow(ConfigError);
    const infinite = { shape: [1, 8], data: new Float32Array(8).fill(Number.POSITIVE_INFINITY) };
    await expect(search(vectors, infinite)).rejects.toThrow(/features of image 0 are not finite/);
  });

  it('stops at a damaged row, and on request', async () => {
    const path = file();
    const vectors = clustered(50, 8, 7);
    const index = await writeIndex(path, vectors);
    const options = {
      gpu,
      index,
      features: clustered(1, 8, 7),
      exact: async () => new Float32Array(),
      pieceBytes: 400,
    };
    const stopped = findNearest({ ...options, signal: AbortSignal.abort(new Error('enough')) });
    await expect(stopped).rejects.toThrow('enough');
    const handle = await open(path, 'r+');
    const { size } = await handle.stat();
    await handle.write(Buffer.of(0xff), 0, 1, size - 3 * index.row.bytes + 2);
    await handle.close();
    await index.close();
    const damaged = await FeatureIndex.open(path);
    await expect(findNearest({ ...options, index: damaged })).rejects.toThrow(DataError);
    await expect(findNearest({ ...options, index: damaged })).rejects.toThrow(/row 47 is damaged/);
    await damaged.close();
  });
});
