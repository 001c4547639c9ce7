import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Gpu } from '../adapter/gpu.js';
import { ConfigError, DataError } from '../errors.js';
import { testGpu } from '../testing.js';
import { type Tuning, tuningsOf } from './tunable.js';
import { createTuningCache, exportTunings, importTunings, type TuningCache } from './tuning-cache.js';

const adapter = { name: 'Some GPU (rev. 2)', driver: 'driver 1.2' };
const tuning = (choice: unknown): Tuning => ({ choice, milliseconds: 1.5, effort: 'quick' });

let folder: string;
let cache: TuningCache;
let problems: string[];

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'alex-tunings-')), 'cache');
  problems = [];
  cache = createTuningCache(folder, { onProblem: (message) => problems.push(message) });
});
afterEach(() => rm(join(folder, '..'), { recursive: true }));

const path = async () => join(folder, (await readdir(folder))[0]!);

describe('createTuningCache', () => {
  it('is empty at first, and grows', async () => {
    expect(await cache.load(adapter)).toEqual(new Map());
    await cache.save(adapter, new Map([['a/1/', tuning({ rows: 8 })]]));
    await cache.save(adapter, new Map([['b/1/', tuning('plain')]]));
    await cache.save(adapter, new Map([['a/1/', tuning({ rows: 16 })]]));
    expect(await cache.load(adapter)).toEqual(
      new Map([
        ['a/1/', tuning({ rows: 16 })],
        ['b/1/', tuning('plain')],
      ]),
    );
    expect(await readdir(folder)).toEqual([expect.stringMatching(/^some-gpu-rev-2-[0-9a-f]{8}\.json$/)]);
    expect(problems).toEqual([]);
  });

  it('keeps adapters and drivers separate', async () => {
    await cache.save(adapter, new Map([['a/1/', tuning(1)]]));
    expect(await cache.load({ ...adapter, driver: 'driver 1.3' })).toEqual(new Map());
    expect(await cache.load({ ...adapter, name: 'Some GPU rev 2' })).toEqual(new Map());
  });

  it.each([
    ['torn', (text: string) => text.slice(0, -20)],
    ['empty', () => ''],
    ['of something else', () => '[1, 2]'],
    ['of something else with entries', () => '{"format": "tar", "entries": {}}'],
    ['without an adapter', () => '{"format": 1, "entries": {}}'],
  ])('treats a file that is %s as empty, says so once, and rewrites it', async (_, spoil) => {
    await cache.save(adapter, new Map([['a/1/', tuning(1)]]));
    const file = await path();
    await writeFile(file, spoil(await readFile(file, 'utf8')));
    expect(await cache.load(adapter)).toEqual(new Map());
    expect(await cache.load(adapter)).toEqual(new Map());
    expect(problems).toEqual([expect.stringContaining(file)]);
    await cache.save(adapter, new Map([['b/1/', tuning(2)]]));
    expect([...(await cache.load(adapter)).keys()]).toEqual(['b/1/']);
    expect(problems).toHaveLength(1);
  });

  it('does not touch a file of a newer version', async () => {
    await cache.save(adapter, new Map([['a/1/', tuning(1)]]));
    const file = await path();
    const newer = JSON.stringify({ format: 2, entries: {} });
    await writeFile(file, newer);
    expect(await cache.load(adapter)).toEqual(new Map());
    await cache.save(adapter, new Map([['b/1/', tuning(2)]]));
    expect(await readFile(file, 'utf8')).toBe(newer);
    expect(problems).toEqual([expect.stringMatching(/newer version/)]);
  });

  it('ignores single invalid entries', async () => {
    await cache.save(adapter, new Map([['a/1/', tuning(1)]]));
    const file = await path();
    const content = JSON.parse(await readFile(file, 'utf8'));
    content.entries['b/1/'] = { choice: 1, milliseconds: 'fast', effort: 'quick' };
    content.entries['c/1/'] = { milliseconds: 1, effort: 'quick' };
    content.entries['d/1/'] = null;
    content.entries['e/1/'] = { choice: 1, milliseconds: 1, effort: 'some' };
    await writeFile(file, JSON.stringify(content));
    expect([...(await cache.load(adapter)).keys()]).toEqual(['a/1/']);
  });

  it('stores candidates to avoid as well as tunings, each once', async () => {
    const crash = { choice: { rows: 8, width: 4 }, reason: 'crashes its process (SIGSEGV)' };
    const hang = { choice: 'matrix', reason: 'does not finish' };
    await cache.avoid(adapter, new Map([['a/1/', [{ ...crash, reason: 'something' }]]]));
    await cache.save(adapter, new Map([['a/1/', tuning(1)]]));
    await cache.avoid(adapter, new Map([['b/1/', [hang]]]));
    await cache.avoid(adapter, new Map([['a/1/', [{ ...crash, choice: { width: 4, rows: 8 } }]]]));
    expect([...(await cache.load(adapter))]).toEqual([['a/1/', tuning(1)]]);
    expect([...(await cache.loadAvoided(adapter))]).toEqual([
      ['a/1/', [crash]],
      ['b/1/', [hang]],
    ]);
    expect(await cache.loadAvoided({ ...adapter, driver: 'driver 1.3' })).toEqual(new Map());
  });

  it.each([
    ['none', undefined, []],
    ['nonsense', 3, []],
    [
      'some nonsense',
      { 'a/1/': 3, 'b/1/': [{ choice: 1 }, { choice: 2, reason: 'hangs' }, null] },
      [{ choice: 2, reason: 'hangs' }],
    ],
  ])('reads a file with %s of candidates to avoid', async (_, avoided, wanted) => {
    await cache.save(adapter, new Map([['a/1/', tuning(1)]]));
    const file = await path();
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), avoided }));
    expect([...(await cache.load(adapter)).keys()]).toEqual(['a/1/']);
    expect([...(await cache.loadAvoided(adapter)).values()].flat()).toEqual(wanted);
    expect(problems).toEqual([]);
  });

  it('continues if it cannot write', async () => {
    await writeFile(folder, 'a file where the folder should be');
    await cache.save(adapter, new Map([['a/1/', tuning(1)]]));
    expect(problems).toHaveLength(2);
    expect(problems[1]).toMatch(/cannot be written .*tunings are not kept/);
  });

  it('is never seen half written by others, which lose at most an entry', async () => {
    await cache.save(adapter, new Map([['before/1/', tuning(0)]]));
    const writers = Array.from({ length: 8 }, (_, writer) =>
      createTuningCache(folder).save(adapter, new Map([[`${writer}/1/`, tuning(writer)]])),
    );
    const readers = Array.from({ length: 8 }, () => cache.load(adapter));
    await Promise.all(writers);
    for (const read of await Promise.all(readers)) expect(read.get('before/1/')).toEqual(tuning(0));
    expect(problems).toEqual([]);
    expect((await cache.load(adapter)).get('before/1/')).toEqual(tuning(0));
    expect(await readdir(folder)).toHaveLength(1);
  });
});

describe('exportTunings and importTunings', () => {
  let gpu: Gpu;
  beforeEach(async () => {
    gpu = await testGpu();
    await mkdir(folder);
  });

  it('transfer tunings from one machine to another', async () => {
    const file = join(folder, 'shared.json');
    await exportTunings(file, gpu, new Map([['shared/1/', tuning([1, 2])]]));
    expect(tuningsOf(gpu).has('shared/1/')).toBe(false);
    expect(await importTunings(file, gpu)).toEqual({ count: 1, driver: gpu.description.driver });
    expect(tuningsOf(gpu).get('shared/1/')).toEqual(tuning([1, 2]));
    // Exported once more onto itself, now with everything that the adapter uses.
    await exportTunings(file, gpu);
    expect(JSON.parse(await readFile(file, 'utf8')).entries).toHaveProperty('shared/1/');
  });

  it('refuse a file of another adapter, and a file that is not a tunings file', async () => {
    const file = join(folder, 'shared.json');
    await exportTunings(file, gpu, new Map());
    const content = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...content, adapter: 'Another GPU' }));
    await expect(importTunings(file, gpu)).rejects.toThrow(ConfigError);
    await expect(importTunings(file, gpu)).rejects.toThrow(/for the adapter "Another GPU"/);
    await expect(importTunings(join(folder, 'missing'), gpu)).rejects.toThrow(/no such file/);
    await writeFile(file, 'My diary');
    await expect(importTunings(file, gpu)).rejects.toThrow(DataError);
    await expect(exportTunings(file, gpu)).rejects.toThrow(/not overwritten/);
    expect(await readFile(file, 'utf8')).toBe('My diary');
    await expect(exportTunings(join(folder, 'missing', 'file'), gpu)).rejects.toThrow(/cannot be written/);
  });
});
