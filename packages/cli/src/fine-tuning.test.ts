import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, type HostTensor } from '@alex/tensor';
import { readSafetensors, writeSafetensors } from '@alex/trainer';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { newRun } from './new-run.js';
import { runCommand } from './testing/command.js';
import { writeImages } from './testing/images.js';

const directory = temporaryFolder();
const images = join(directory, 'images');
const torchvision = join(directory, 'alexnet.safetensors');
const base = join(directory, 'base');

const sizes = ['--batch', '4', '--tune', 'off'];

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
  newRun({ run: 'never', data: images, randomCrop: true, mirror: true, colour: true, ...options });

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
    ['conv9', /--freeze conv9: there is no layer with parameters of this name; choose from conv1, conv2, .*fc8/],
    ['relu1', /--freeze relu1: there is no layer with parameters of this name/],
    ['conv1,conv2,conv3,conv4,conv5,fc6,fc7,fc8', /all layers are named, so nothing would learn/],
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

  it('uses its network and crop, starts from its weights, and leaves frozen layers unchanged', async () => {
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
    const other = await runCommand(['train', '--run', run, '--resume', '--freeze', 'conv2']);
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(
      /--freeze conv2 cannot be changed during a run, which was started with conv1\.weight,/,
    );
  });
});
