import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeImage, openDataset } from '@alex/data';
import { alexnet } from '@alex/model-alexnet';
import { openGpu } from '@alex/tensor';
import { relativeError } from '@alex/tensor/testing';
import { activationsOf, openRun } from '@alex/trainer';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { runCommand } from './testing/command.js';
import { png, writeImages } from './testing/images.js';
import { readNpy } from './testing/npy.js';

const directory = temporaryFolder();
const at = (file: string) => join(directory, file);
const files = ['images/red/3.png', 'images/blue/1.png', 'images/red/3.png', 'images/blue/0.png', 'images/red/0.png'];

beforeAll(async () => {
  await writeImages(at('images'), ['blue', 'red'], 10);
  const sizes = ['--model', 'small', '--crop', '24', '--batch', '4', '--steps', '2', '--tune', 'off'];
  const trained = await runCommand(['train', '--data', 'images', '--run', 'run', ...sizes], { directory });
  expect(trained.code, trained.stderr).toBe(0);
});

async function features(...args: string[]) {
  const { code, stdout, stderr } = await runCommand(['features', '--run', 'run', '--json', ...args], { directory });
  return { code, stderr, result: stdout === '' ? undefined : JSON.parse(stdout) };
}

const lines = async (file: string) => (await readFile(at(file), 'utf8')).trimEnd().split('\n');

/** The network's own output, through the library, on the device that the commands released. */
async function ofLibrary(layer: string, images: readonly string[]) {
  const adapter = process.env['ALEX_ADAPTER'];
  const gpu = await openGpu(adapter ? { adapter } : {});
  const run = await openRun(at('run'), gpu, alexnet, { batch: 4 });
  try {
    const { height } = run.config.data;
    const decoded = await Promise.all(images.map((file) => decodeImage(file, at(file), height)));
    return await activationsOf(run, { pixels: Buffer.concat(decoded), count: images.length }, layer);
  } finally {
    run.dispose();
    gpu.dispose();
  }
}

describe('features', () => {
  it.each([
    ['conv1', [5, 32, 12, 12]],
    ['relu5', [5, 256]],
    ['fc6', [5, 2]],
  ])('writes %s of images, one row each, in their order', async (layer, shape) => {
    const { code, stderr, result } = await features(...files, '--layer', layer, '--to', 'some.npy');
    expect(code, stderr).toBe(0);
    expect(result).toEqual({ layer, shape, to: 'some.npy', names: 'some.names.txt' });
    const { shape: written, values } = await readNpy(at('some.npy'));
    expect(written).toEqual(shape);
    expect(relativeError(values, (await ofLibrary(layer, files)).data)).toBeLessThan(1e-5);
    expect(await lines('some.names.txt')).toEqual(files);
    // The same image in another batch is the same to the bit.
    const row = values.length / files.length;
    expect(values.slice(2 * row, 3 * row)).toEqual(values.slice(0, row));
  });

  it('writes the last hidden layer of a whole split, with the class of each image', async () => {
    const { code, stderr, result } = await features('--split', 'train', '--to', 'train.npy');
    expect(code, stderr).toBe(0);
    const { train, classes } = await openDataset(at('images'), { size: 27 });
    expect(result).toEqual({
      layer: 'relu5',
      shape: [train.length, 256],
      to: 'train.npy',
      names: 'train.names.txt',
      labels: 'train.labels.txt',
    });
    const names = await lines('train.names.txt');
    expect(names).toEqual(Array.from(train.labels, (_, i) => train.imageName(i)));
    expect(await lines('train.labels.txt')).toEqual(Array.from(train.labels, (label) => classes[label]));
    const own = await ofLibrary(
      'relu5',
      names.map((name) => `images/${name}`),
    );
    expect(relativeError((await readNpy(at('train.npy'))).values, own.data)).toBeLessThan(1e-5);
    const held = await features('--data', 'images', '--to', 'val');
    expect(held.result).toMatchObject({ shape: [20 - train.length, 256], to: 'val', names: 'val.names.txt' });
    expect((await readNpy(at('val'))).shape).toEqual([20 - train.length, 256]);
  });

  it('processes the readable images, and reports the others', async () => {
    await writeFile(at('torn.png'), png(1, 2, 3).subarray(0, 60));
    const given = ['torn.png', files[0]!, 'none.png', files[1]!];
    const { code, stderr, result } = await features(...given, '--to', 'part.npy');
    expect(code).toBe(1);
    expect(stderr).toMatch(/error: torn\.png cannot be read.*\nerror: none\.png cannot be read/);
    expect(result).toMatchObject({ shape: [2, 256], problems: [{ image: 'torn.png' }, { image: 'none.png' }] });
    expect((await readNpy(at('part.npy'))).shape).toEqual([2, 256]);
    expect(await lines('part.names.txt')).toEqual([files[0], files[1]]);
  });

  it('does so for a whole data set too', async () => {
    const { train } = await openDataset(at('images'), { size: 27 });
    const name = train.imageName(2);
    const whole = await readFile(at(`images/${name}`));
    await writeFile(at(`images/${name}`), whole.subarray(0, 60));
    const { code, stderr, result } = await features('--split', 'train', '--to', 'part.npy');
    await writeFile(at(`images/${name}`), whole);
    expect(code).toBe(1);
    expect(stderr).toContain(`images/${name} cannot be read`);
    expect(result).toMatchObject({ shape: [train.length - 1, 256], problems: [{ image: name }] });
    const others = Array.from(train.labels, (_, i) => train.imageName(i)).filter((one) => one !== name);
    expect(await lines('part.names.txt')).toEqual(others);
    expect(await lines('part.labels.txt')).toHaveLength(train.length - 1);
  });

  it('writes nothing if no image can be read', async () => {
    const { code, result } = await features('none.png', 'torn.png', 'none.png', 'no.jpg', '--to', 'nothing.npy');
    expect(code).toBe(1);
    const problems = ['none.png', 'torn.png', 'no.jpg'].map((image) => expect.objectContaining({ image }));
    expect(result).toEqual({ layer: 'relu5', shape: [0, 256], problems });
    expect((await readdir(directory)).filter((name) => name.startsWith('nothing'))).toEqual([]);
  });

  it.each<[string[], number, RegExp]>([
    [[], 2, /there are no images: give image files, --data or --split/],
    [[files[0]!, '--split', 'val'], 2, /images and --data or --split: give one of them/],
    [[files[0]!, '--layer', 'fc7'], 2, /small: has no layer fc7; its layers are conv1, relu1/],
    [['--data', 'nowhere'], 1, /nowhere/],
    [
      [files[0]!, '--to', 'no/such/x.npy'],
      2,
      /--to no\/such\/x\.npy: there is no folder .*no\/such; create it, or choose another one/,
    ],
    [['--split', 'test'], 2, /Allowed choices are train, val/],
  ])('%j is refused, and leaves nothing', async (args, code, message) => {
    await rm(at('x.npy'), { force: true });
    const refused = await features(...args, ...(args.includes('--to') ? [] : ['--to', 'x.npy']));
    expect(refused.code, refused.stderr).toBe(code);
    expect(refused.stderr).toMatch(message);
    expect(existsSync(at('x.npy')) || existsSync(at('x.npy.tmp'))).toBe(false);
  });
});
