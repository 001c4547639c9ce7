import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, type HostTensor } from '@alex/tensor';
import { readSafetensors, writeSafetensors } from '@alex/trainer';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { newRun } from './new-run.js';
import { runCommand } from './testing/command.js';
import { writeImages } from './testing/images.js';

const directory = temporaryFolder();
const images = join(directory, 'images');
const torchvision = join(directory, 'alexnet.safetensors');
const base = join(directory, 'base');

const sizes = ['--batch', '4', '--tune', 'off'];

// Planning checks images, and stores the results.
beforeAll(() => vi.stubEnv('ALEX_CACHE', join(directory, 'cache')));
afterAll(() => vi.unstubAllEnvs());

beforeAll(async () => {
  await writeImages(images, ['blue', 'green', 'red']);
  // Planning only looks at names and classes; full-size weights would take 240 MB.
  await writeSafetensors(torchvision, {
    'module.features.0.weight': { shape: [1], data: new Float32Array(1) },
    'module.classifier.6.weight': { shape: [5, 2], data: new Float32Array(10) },
    'module.classifier.6.bias': { shape: [5], data: new Float32Array(5) },
  });
  const trained = await runCommand([
    ...['train', '--data', images, '--model', 'small', '--crop', '24', '--run', base, '--steps', '2', ...sizes],
  ]);
  expect(trained.code, trained.stderr).toBe(0);
});

const plan = (options: object) =>
  newRun(
    { run: 'never', data: images, randomCrop: true, mirror: true, colour: true, ...options },
    { line: () => undefined },
  );

async function weightsOf(run: string): Promise<Record<string, HostTensor>> {
  return (await readSafetensors(join(run, 'weights.safetensors'))).tensors;
}

describe('fine-tuning from published weights', () => {
  it('uses their network and its preprocessing', async () => {
    const { config } = await plan({ from: torchvision });
    expect(config.model).toEqual({ variant: 'torchvision', inputSize: 224 });
    expect(config.data.classes).toEqual(['blue', 'green', 'red']);
    expect(config.images).toMatchObject({ mean: [123.675, 116.28, 103.53], scale: 57.6 });
    expect(config.images.meanImage).toBeUndefined();
    expect(config.recipe.startsFrom).toEqual({ weights: torchvision, replaces: [] });
  });

  it('refuses another network, which cannot use them', async () => {
    const planned = plan({ from: torchvision, model: 'paper' });
    await expect(planned).rejects.toThrow(ConfigError);
    await expect(planned).rejects.toThrow(
      /contains weights of torchvision, not of paper: conv1\.weight is \[64, .* and \[96, .* here; give --model torchvision/,
    );
  });

  it('freezes layers and parameters, whatever the recipe says about them', async () => {
    const { config } = await plan({ from: torchvision, freeze: 'conv1, conv2.weight' });
    expect(config.recipe.overrides).toEqual({
      'conv1.weight': { learningRateScale: 0 },
      'conv1.bias': { learningRateScale: 0 },
      'conv2.weight': { learningRateScale: 0 },
    });
    const caffe = await plan({ model: 'caffe', freeze: 'conv1' });
    expect(caffe.config.recipe.overrides).toMatchObject({
      '*.bias': { learningRateScale: 2 },
      'conv1.bias': { learningRateScale: 0 },
    });
  });

  it.each([
    [',', /--freeze ,: names no layer; give names such as conv1,conv2/],
    ['conv9', /--freeze conv9: there is no layer with parameters of this name; choose from conv1, conv2, .*fc8/],
    ['relu1', /--freeze relu1: there is no layer with parameters of this name/],
    ['conv1,conv2,conv3,conv4,conv5,fc6,fc7,fc8', /all layers are frozen, so nothing would learn/],
  ])('refuses --freeze %s', async (freeze, message) => {
    await expect(plan({ from: torchvision, freeze })).rejects.toThrow(message);
  });
});

describe('fine-tuning from a run', () => {
  it("subtracts the run's mean image, not that of the new images", async () => {
    const others = join(directory, 'others');
    await writeImages(others, ['blue', 'green']);
    const own = await plan({ data: others, model: 'small' });
    const tuned = await plan({ data: others, from: base });
    const { images } = JSON.parse(await readFile(join(base, 'config.json'), 'utf8'));
    expect(tuned.config.images.mean).toEqual(images.mean);
    expect(tuned.config.images.mean).not.toEqual(own.config.images.mean);
  });

  it('reinitializes the last layer if the classes differ, even if there are as many, and says so', async () => {
    const others = join(directory, 'as-many');
    await writeImages(others, ['circle', 'square', 'triangle']);
    const run = join(directory, 'other-classes');
    for (const from of [base, join(base, 'weights.safetensors')]) {
      const { config } = await plan({ data: others, from });
      expect(config.recipe.startsFrom?.replaces).toEqual(['fc6']);
      expect((await plan({ from })).config.recipe.startsFrom?.replaces).toEqual([]);
    }
    const command = [
      'train',
      '--data',
      others,
      '--from',
      base,
      '--run',
      run,
      '--steps',
      '1',
      '--learning-rate',
      '1e-9',
      '--seed',
      '5',
    ];
    const frozen = await runCommand([...command, ...sizes, '--freeze', 'fc6']);
    expect(frozen.code).toBe(2);
    expect(frozen.stderr).toMatch(/base: fc6 is reinitialized, so it must not be frozen; remove it from --freeze/);
    const tuned = await runCommand([...command, ...sizes]);
    expect(tuned.code, tuned.stderr).toBe(0);
    expect(tuned.stdout).toMatch(/base: \d+ layers start from it; fc6 is reinitialized\./);
    const [before, after] = [await weightsOf(base), await weightsOf(run)];
    expect(after['fc5.weight']!.data[7]).toBeCloseTo(before['fc5.weight']!.data[7]!, 6);
    expect(after['fc6.weight']!.data[7]).not.toBeCloseTo(before['fc6.weight']!.data[7]!, 4);
  });

  it('or only a file of its weights, in any folder: it contains the network, crop and mean', async () => {
    const { model, images: own } = JSON.parse(await readFile(join(base, 'config.json'), 'utf8'));
    for (const file of ['weights.safetensors', join('checkpoints', 'step-00000002.safetensors')]) {
      const moved = join(directory, 'moved.bin');
      await cp(join(base, file), moved);
      const { config } = await plan({ from: moved });
      expect(config.model).toEqual(model);
      expect(config.images.mean).toEqual(own.mean);
    }
  });

  it('or weights without metadata: finds the network by names and shapes', async () => {
    const bare = join(directory, 'bare.safetensors');
    await writeSafetensors(bare, await weightsOf(base));
    const run = join(directory, 'from-bare');
    const tuned = await runCommand(['train', '--data', images, '--from', bare, '--run', run, '--steps', '1', ...sizes]);
    expect(tuned.code, tuned.stderr).toBe(0);
    expect(tuned.stdout).toMatch(/bare\.safetensors: assumed to be small for images of (\d+) x \1/);
    expect(JSON.parse(await readFile(join(run, 'config.json'), 'utf8')).model.variant).toBe('small');
    const [one, ...rest] = Object.entries(await weightsOf(base));
    await writeSafetensors(bare, Object.fromEntries([[`${one![0]}x`, one![1]], ...rest]));
    await expect(plan({ from: bare })).rejects.toThrow(
      /--from .*bare\.safetensors: its tensors do not fit any known network; give .* as --model/,
    );
  });

  it('uses its network and its crop, starts from its weights, and does not change frozen layers', async () => {
    const run = join(directory, 'tuned');
    const command = [
      'train',
      '--data',
      images,
      '--from',
      base,
      '--run',
      run,
      '--freeze',
      'conv1,fc5',
      '--steps',
      '3',
      ...sizes,
    ];
    const tuned = await runCommand(command);
    expect(tuned.code, tuned.stderr).toBe(0);
    const { model } = JSON.parse(await readFile(join(run, 'config.json'), 'utf8'));
    expect(model).toEqual({ variant: 'small', inputSize: 24 });
    const [before, after] = [await weightsOf(base), await weightsOf(run)];
    for (const [name, { data }] of Object.entries(after)) {
      const isFrozen = /^(conv1|fc5)\./.test(name);
      expect(Buffer.from(data.buffer).equals(Buffer.from(before[name]!.data.buffer)), name).toBe(isFrozen);
    }
    // The original command is accepted again, also with its recipe by name; another list is not.
    expect((await runCommand([...command, '--resume'])).code).toBe(0);
    const named = await runCommand([...command, '--resume', '--recipe', 'small']);
    expect(named.code, named.stderr).toBe(0);
    for (const freeze of ['conv2', 'conv1', 'conv1,fc5,conv2']) {
      const other = await runCommand(['train', '--run', run, '--resume', '--freeze', freeze]);
      expect(other.code).toBe(2);
      expect(other.stderr).toMatch(
        /--freeze \S+ cannot be changed during a run, which was started with conv1\.weight,/,
      );
    }
  });
});
