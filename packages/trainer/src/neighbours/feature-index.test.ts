import { existsSync } from 'node:fs';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AlexError, ConfigError, DataError, type HostTensor } from '@alex/tensor';
import { randomTensor } from '@alex/tensor/testing';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../temporary.base.js';
import { building, FeatureIndex, FeatureIndexWriter } from './feature-index.js';
import { writeIndex } from './testing.js';

const folder = temporaryFolder();
let files = 0;
const file = () => join(folder, `${files++}.index`);

const vectors = randomTensor([20, 3, 2], 1);
const description = { rows: 20, shape: [3, 2], identity: { of: 'a test' } };
const name = (row: number) => `vector ${row}`;

/** The bytes of an index that nothing interrupted. */
async function undisturbed(tensor: HostTensor = vectors): Promise<Buffer> {
  const path = file();
  await (await writeIndex(path, tensor)).close();
  return readFile(path);
}

/** Builds some of the rows, and is interrupted. */
async function interrupted(rows: number): Promise<string> {
  const path = file();
  const writer = await FeatureIndexWriter.open(path, description);
  await writer.append(vectors.data.subarray(0, rows * 6), name);
  await writer.close();
  return path;
}

describe('an index of features', () => {
  it('gives its rows and what it was made from', async () => {
    const index = await writeIndex(file(), vectors);
    expect(index.description).toEqual(description);
    const bytes = new Uint8Array(3 * index.row.bytes);
    await index.read(17, 3, bytes);
    for (let i = 0; i < 3; i++) {
      const own = vectors.data.subarray((17 + i) * 6, (18 + i) * 6);
      const at = i * index.row.bytes;
      expect(Math.sqrt(index.row.squaredDistance(bytes, at, own))).toBeLessThanOrEqual(
        index.row.facts(bytes, at).residual,
      );
    }
    await index.close();
  });

  it.each([1, 9, 19, 20])(
    'that was interrupted after %i rows is none yet, and ends as if it never was',
    async (rows) => {
      const path = await interrupted(rows);
      await expect(FeatureIndex.open(path)).rejects.toThrow(ConfigError);
      await expect(FeatureIndex.open(path)).rejects.toThrow(/there is no index of features here/);
      await (await writeIndex(path, vectors)).close();
      expect(await readFile(path)).toEqual(await undisturbed());
      expect(existsSync(path + building)).toBe(false);
    },
  );

  it.each([
    ['was cut off within a row', 11, (bytes: Buffer) => bytes.subarray(0, -5)],
    [
      'lost a row that was not on the disk yet',
      6,
      (bytes: Buffer) => Buffer.from(bytes).fill(0, bytes.length - 6 * 40, bytes.length - 5 * 40),
    ],
    ['has something else behind its rows', 12, (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(100, 7)])],
    ['has another header', 0, (bytes: Buffer) => Buffer.from(bytes).fill('x', 20, 21)],
    ['has hardly a header', 0, (bytes: Buffer) => bytes.subarray(0, 10)],
  ])('that was interrupted and %s is continued from row %i', async (_, rows, harm) => {
    const path = await interrupted(12);
    await writeFile(path + building, harm(await readFile(path + building)));
    const writer = await FeatureIndexWriter.open(path, description);
    expect(writer.rows).toBe(rows);
    writer.keepWhole(4);
    expect(writer.rows).toBe(rows - (rows % 4));
    await writer.append(vectors.data.subarray(writer.rows * 6), name);
    await writer.finish();
    await writer.close();
    expect(await readFile(path)).toEqual(await undisturbed());
  });

  it('that was begun from something else begins again; the finished one stays until then', async () => {
    const path = await interrupted(12);
    await (await writeIndex(path, vectors)).close();
    const first = await FeatureIndexWriter.open(path, { ...description, identity: { of: 'others' } });
    await first.append(vectors.data.subarray(0, 60), name);
    await first.close();
    const older = await FeatureIndex.open(path);
    expect(older.description).toEqual(description);
    await older.close();
    const second = await FeatureIndexWriter.open(path, { ...description, identity: { of: 'still others' } });
    expect(second.rows).toBe(0);
    await second.append(vectors.data, name);
    await second.finish();
    await second.close();
    const index = await FeatureIndex.open(path);
    expect(index.description.identity).toEqual({ of: 'still others' });
    await index.close();
  });

  it('is built by one process at a time, and leaves nothing where nothing was begun', async () => {
    const path = file();
    const writer = await FeatureIndexWriter.open(path, description);
    await expect(FeatureIndexWriter.open(path, description)).rejects.toThrow(ConfigError);
    await expect(FeatureIndexWriter.open(path, description)).rejects.toThrow(
      /an index is being built in this folder by another process \(process \d+[^)]*\); wait for it/,
    );
    await writer.close();
    expect(existsSync(path + building)).toBe(false);
  });

  it('is not finished before its last row, and has none of what is no number', async () => {
    const path = await interrupted(4);
    const writer = await FeatureIndexWriter.open(path, description);
    await expect(writer.finish()).rejects.toThrow(/has 4 of 20 rows/);
    const infinite = Float32Array.of(1, 2, 3, 4, 5, 6, 1, 2, Number.POSITIVE_INFINITY, 4, 5, 6);
    await expect(writer.append(infinite, name)).rejects.toThrow(DataError);
    await expect(writer.append(infinite, name)).rejects.toThrow(/vector 5: its features are not finite/);
    expect(writer.rows).toBe(4);
    await writer.close();
  });

  it('says where it cannot be written', async () => {
    const opening = FeatureIndexWriter.open(join(folder, 'no', 'such', 'folder'), description);
    await expect(opening).rejects.toThrow(AlexError);
    await expect(opening).rejects.toThrow(/could not be written: there is no such file or directory/);
  });

  it.each<[string, (path: string) => Promise<void>, RegExp]>([
    ['was cut off', async (path) => truncate(path, 800), /has 800 bytes instead of \d+; build it again/],
    ['is empty', async (path) => writeFile(path, ''), /is not an index of features, or is damaged/],
    ['is something else', async (path) => writeFile(path, Buffer.alloc(1000, 'ALEX')), /is not an index of features/],
    [
      'is of a later version',
      async (path) => writeFile(path, (await readFile(path, 'latin1')).replace('"version":1', '"version":2'), 'latin1'),
      /of a version other than 1/,
    ],
  ])('that %s is refused', async (_, harm, message) => {
    const path = file();
    await (await writeIndex(path, vectors)).close();
    await harm(path);
    await expect(FeatureIndex.open(path)).rejects.toThrow(DataError);
    await expect(FeatureIndex.open(path)).rejects.toThrow(message);
  });
});
