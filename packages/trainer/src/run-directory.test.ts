import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AlexError, CheckpointError, ConfigError, type HostTensor } from '@alex/tensor';
import { beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import type { RunConfig } from './config.js';
import { RunDirectory } from './run-directory.js';
import { tuningsOfRun } from './run-files.js';

const parent = temporaryFolder();
let path: string;
let count = 0;
beforeEach(() => {
  path = join(parent, `run${count++}`);
});

const config: RunConfig = {
  model: { variant: 'small', inputSize: 16 },
  data: { source: 'emoji', name: 'emoji', classes: ['pizza', 'rocket'], height: 18, width: 18, channels: 3 },
  images: {
    crop: 'random',
    mirror: true,
    padding: 0,
    mean: [1, 2, 3],
    scale: 1,
    colour: {
      standardDeviations: [3, 2, 1],
      axes: [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
      strength: 0.1,
    },
  },
  recipe: {
    batch: 4,
    steps: 10,
    seed: 7,
    learningRate: 0.01,
    schedule: { kind: 'step', factor: 0.1, epochs: [3] },
    momentum: 0.9,
    weightDecay: 0.0005,
    overrides: { '*.bias': { learningRateScale: 2 } },
    evaluateEvery: 5,
    checkpointEvery: 5,
  },
};

const values = (...data: number[]): HostTensor => ({ shape: [data.length], data: Float32Array.from(data) });
const checkpoint = (step: number) => ({
  step,
  parameters: { 'conv1.weight': values(step, 1) },
  optimizerState: { 'conv1.weight.velocity': values(step, 2) },
});

describe('RunDirectory', () => {
  it('opens a run whose configuration still calls images pictures', async () => {
    await RunDirectory.create(path, config);
    const file = join(path, 'config.json');
    await writeFile(file, (await readFile(file, 'utf8')).replace('"images":', '"pictures":'));
    expect((await RunDirectory.open(path)).config).toEqual(config);
  });

  it('stores the configuration, which can be read on its own', async () => {
    expect(await RunDirectory.exists(path)).toBe(false);
    await RunDirectory.create(path, config);
    expect(await RunDirectory.exists(path)).toBe(true);
    expect((await RunDirectory.open(path)).config).toEqual(config);
    expect((await readdir(path)).sort()).toEqual(['checkpoints', 'config.json']);
  });

  it('can be tried before it is created, which leaves nothing', async () => {
    const inner = join(path, 'of', 'today');
    await RunDirectory.tryPlace(inner);
    await expect(readdir(path)).rejects.toThrow(/ENOENT/);
    await RunDirectory.create(inner, config);
    await expect(RunDirectory.tryPlace(inner)).rejects.toThrow(/this directory is not empty/);
    const file = join(inner, 'config.json');
    await expect(RunDirectory.tryPlace(join(file, 'run'))).rejects.toThrow(ConfigError);
    expect((await readdir(inner)).sort()).toEqual(['checkpoints', 'config.json']);
  });

  it.runIf(process.platform === 'linux')('is refused where no file can be written', async () => {
    await expect(RunDirectory.tryPlace('/proc/run')).rejects.toThrow(
      /\/proc\/run: the run directory could not be created/,
    );
    await expect(RunDirectory.tryPlace('/proc/self/task')).rejects.toThrow(ConfigError);
  });

  it('is created only once by several processes at the same moment', async () => {
    const seeds = [1, 2, 3, 4, 5, 6];
    const begun = await Promise.allSettled(
      seeds.map((seed) => RunDirectory.create(path, { ...config, recipe: { ...config.recipe, seed } })),
    );
    const [first, ...others] = begun.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(others).toEqual([]);
    for (const one of begun) if (one.status === 'rejected') expect(one.reason).toBeInstanceOf(ConfigError);
    expect((await RunDirectory.open(path)).config).toEqual(first!.config);
    expect((await readdir(path)).sort()).toEqual(['checkpoints', 'config.json']);
  });

  it('can be created after another process was killed while creating it', async () => {
    await mkdir(path);
    for (const name of ['.lock-1', 'config.json.0c3f.tmp']) await writeFile(join(path, name), '');
    expect(await RunDirectory.exists(path)).toBe(false);
    await (await RunDirectory.create(path, config)).remove();
    expect(await readdir(path)).toEqual([]);
  });

  it('removes what killed processes left unfinished once it is locked', async () => {
    const run = await RunDirectory.create(path, config);
    const files = await readdir(path);
    for (const name of ['config.json.tmp', 'config.json.0c3f.tmp']) await writeFile(join(path, name), '{');
    await run.whileLocked(async () => undefined);
    expect(await readdir(path)).toEqual(files);
    await writeFile(join(path, 'config.json.tmp'), '{');
    await (await RunDirectory.openLocked(path)).unlock();
    expect(await readdir(path)).toEqual(files);
  });

  it('is created in an empty directory, and in no other', async () => {
    await mkdir(path);
    await RunDirectory.create(path, config);
    await expect(RunDirectory.create(path, config)).rejects.toThrow(ConfigError);
    await expect(RunDirectory.create(path, config)).rejects.toThrow(
      /not empty; resume its run with --resume, or choose/,
    );

    const other = join(parent, 'photos');
    await mkdir(other);
    await writeFile(join(other, 'cat.jpg'), '');
    await expect(RunDirectory.create(other, config)).rejects.toThrow(ConfigError);
    await expect(RunDirectory.exists(other)).rejects.toThrow(/contains files but no run/);
    expect(await readdir(other)).toEqual(['cat.jpg']);
  });

  it('says why a path cannot be created', async () => {
    const file = join(parent, 'file');
    await writeFile(file, '');
    for (const place of [file, join(file, 'run'), join(file, 'deep', 'run')]) {
      await expect(RunDirectory.create(place, config)).rejects.toThrow(ConfigError);
      await expect(RunDirectory.create(place, config)).rejects.toThrow(/a part of the path is a file/);
    }
  });

  it.runIf(process.platform === 'linux')('fails on a file system without directories', async () => {
    await expect(RunDirectory.create('/proc/alex/run', config)).rejects.toThrow(
      /could not be (created|started): .*(check|change|choose)/,
    );
  });

  it('removes everything that it created, and nothing else', async () => {
    const nested = join(path, 'a', 'b');
    const run = await RunDirectory.create(nested, config);
    await run.checkpoints.save(checkpoint(1));
    await writeFile(tuningsOfRun(nested), '{}');
    await run.remove();
    expect(await readdir(parent)).not.toContain(path.slice(parent.length + 1));

    const other = await RunDirectory.create(nested, config);
    await writeFile(join(path, 'a', 'notes.txt'), '');
    await other.remove();
    expect(await readdir(path, { recursive: true })).toEqual(['a', join('a', 'notes.txt')]);
  });

  it('distinguishes a directory without a run from one with a broken configuration', async () => {
    await expect(RunDirectory.open(path)).rejects.toThrow(ConfigError);
    await expect(RunDirectory.open(path)).rejects.toThrow(/there is no run here/);
    await RunDirectory.create(path, config);
    const file = join(path, 'config.json');
    const text = await readFile(file, 'utf8');
    const broken: [string, RegExp][] = [
      [text.slice(0, 200), /config.json: is not JSON/],
      ['[]', /config.json: model is missing/],
      ['null', /config.json: the configuration: expected Object, got null/],
      [text.replace('"batch": 4', '"batch": 0'), /recipe.batch: expected >=1, got 0/],
      [text.replace('"batch": 4', '"batch": 4.5'), /recipe.batch/],
      [text.replace('"seed": 7', '"seed": "7"'), /recipe.seed: expected number, got "7"/],
      [text.replace('"momentum": 0.9', '"momentum": 1'), /recipe.momentum: expected <1, got 1/],
      [text.replace('"kind": "step"', '"kind": "cosine"'), /recipe.schedule.kind/],
      [text.replace('"scale": 1,', ''), /images.scale is missing/],
      [text.replace('"scale": 1,', '"scale": 1, "extra": 1,'), /images.extra is unknown/],
    ];
    for (const [content, message] of broken) {
      expect(content).not.toBe(text);
      await writeFile(file, content);
      await expect(RunDirectory.open(path), String(message)).rejects.toThrow(CheckpointError);
      await expect(RunDirectory.open(path)).rejects.toThrow(message);
    }
  });

  it('returns the newest checkpoint, and keeps the previous one', async () => {
    const run = await RunDirectory.create(path, config);
    expect(await run.latestCheckpoint()).toBeUndefined();
    for (const step of [5, 10, 99_999_995, 100_000_000]) {
      await run.checkpoints.save(checkpoint(step));
      expect(await run.latestCheckpoint()).toEqual({ ...checkpoint(step), rateFactor: 1 });
    }
    expect((await readdir(join(path, 'checkpoints'))).sort()).toEqual([
      'step-100000000.safetensors',
      'step-99999995.safetensors',
    ]);
  });

  it('stores weights apart from checkpoints', async () => {
    const run = await RunDirectory.create(path, config);
    await expect(run.readWeights()).rejects.toThrow(
      /has no trained weights yet .no weights.safetensors, no checkpoint.; train it first/,
    );
    await run.saveWeights({ 'fc1.bias': values(1, 2) });
    expect(await run.readWeights()).toEqual({ 'fc1.bias': values(1, 2) });
    const bytes = await readFile(join(path, 'weights.safetensors'));
    await run.saveWeights({ 'fc1.bias': values(1, 2) });
    expect(await readFile(join(path, 'weights.safetensors'))).toEqual(bytes);
  });

  it('can be extended', async () => {
    const run = await RunDirectory.create(path, config);
    const longer = run.changed({ steps: 20 });
    expect(longer.config.recipe.steps).toBe(20);
    await longer.saveConfig();
    expect((await RunDirectory.open(path)).config).toEqual({ ...config, recipe: { ...config.recipe, steps: 20 } });
    expect(() => run.changed({ steps: 0 })).toThrow(AlexError);
  });
});
