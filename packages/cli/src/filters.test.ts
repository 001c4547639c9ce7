import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { alexnet } from '@alex/model-alexnet';
import type { NetworkDescription } from '@alex/tensor';
import { readSafetensors } from '@alex/trainer';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { firstFilters } from './first-filters.js';
import { runCommand } from './testing/command.js';
import { writeImages } from './testing/images.js';

const directory = temporaryFolder();
const at = (file: string) => join(directory, file);
const command = (...args: string[]) => runCommand(args, { directory });

beforeAll(async () => {
  await writeImages(at('images'), ['blue', 'red'], 5);
  const sizes = [
    '--model',
    'small',
    '--crop',
    '24',
    '--batch',
    '4',
    '--steps',
    '6',
    '--evaluate-every',
    '2',
    '--tune',
    'off',
  ];
  const trained = await command('train', '--data', 'images', '--run', 'run', '--learning-rate', '0.001', ...sizes);
  expect(trained.code, trained.stderr).toBe(0);
});

/** The formula of the documentation, of the filters in a file of weights: 32 of 5 x 5, 16 in a column. */
async function byFormula(file: string): Promise<number[]> {
  const { data } = (await readSafetensors(file)).tensors['conv1.weight']!;
  const shares = Array.from({ length: 32 }, (_, filter) => {
    const w = (c: number, tap: number) => data[filter * 75 + c * 25 + tap]!;
    const taps = Array.from({ length: 25 }, (_, tap) => [w(0, tap), w(1, tap), w(2, tap)]);
    const all = taps.flat().reduce((sum, value) => sum + value ** 2, 0);
    const grey = taps.reduce((sum, [r, g, b]) => sum + (r! + g! + b!) ** 2 / 3, 0);
    // Brightness and colour are orthogonal: energy that is not in the one is in the other.
    return 1 - grey / all;
  });
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return [mean(shares.slice(0, 16)), mean(shares.slice(16))];
}

describe('filters', () => {
  it('draws them, and prints how colourful each column is and was', async () => {
    const { code, stdout, stderr } = await command('filters', '--run', 'run', '--to', 'filters.png', '--json');
    expect(code, stderr).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ to: 'filters.png', filters: [32, 3, 5, 5] });
    const wanted = await byFormula(at('run/weights.safetensors'));
    for (const [column, share] of wanted.entries()) expect(result.colourfulness[column]).toBeCloseTo(share, 6);
    // The last evaluation is of the weights that the training ended with.
    expect(result.history.map(({ step }: { step: number }) => step)).toEqual([2, 4, 6]);
    for (const [column, share] of wanted.entries()) {
      expect(result.history[2].colourfulness[column]).toBeCloseTo(share, 6);
      expect(result.history[0].colourfulness[column]).not.toBe(result.history[2].colourfulness[column]);
    }
    const { width, height } = await sharp(at('filters.png')).metadata();
    // Two columns of one row of 16 each.
    expect([width, height]).toEqual([16 * 24 - 4, 20 + 12 + 20]);
    expect(stderr).toMatch(
      /Fraction of their energy in colour \(noise: 67%\): column 1 6\d\.\d%, column 2 6\d\.\d%\.\n {2}step 2: column 1/,
    );
  });

  it('draws those of a checkpoint, and as an SVG', async () => {
    const options = [
      '--per-row',
      '8',
      '--scale',
      '2',
      '--contrast',
      'layer',
      '--checkpoint',
      'best',
      '--to',
      'filters.svg',
    ];
    const { code, stderr } = await command('filters', '--run', 'run', ...options);
    expect(code, stderr).toBe(0);
    const svg = await readFile(at('filters.svg'), 'utf8');
    expect(svg).toContain(
      '<title>32 filters of the first layer, 5 x 5 each, those of 2 columns one below the other</title>',
    );
    expect(svg).toContain(`width="${8 * 14 - 4}" height="${2 * (2 * 14 - 4) + 12}"`);
  });

  it.each<[string[], RegExp]>([
    [['--run', 'run', '--to', 'filters.jpg'], /--to filters\.jpg: must end in \.png or \.svg/],
    [['--run', 'run', '--to', 'x.png', '--scale', '0'], /must be a whole number from 1 to 1000/],
    [['--run', 'run', '--to', 'x.png', '--contrast', 'all'], /Allowed choices are filter, layer/],
    [['--run', 'run'], /required option '--to <file>' not specified/],
    [['--to', 'x.png'], /--run is missing/],
  ])('%j is wrong use', async (args, message) => {
    const { code, stderr } = await command('filters', ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('the filters of a first layer', () => {
  const zeros = (...shape: number[]) => ({
    shape,
    data: new Float32Array(shape.reduce((product, size) => product * size, 1)),
  });

  it('are those of a convolution, whatever its name', () => {
    const weight = zeros(96, 3, 11, 11);
    expect(firstFilters(alexnet(), { 'conv1.weight': weight, 'conv2.weight': zeros(1) })).toBe(weight);
  });

  it('of a dense layer are as large as the image', () => {
    const parameters = [
      { name: 'bias', path: 'first.bias' },
      { name: 'weight', path: 'first.weight' },
    ];
    const layers = [{ parameters: [] }, { parameters }];
    const network = { input: [3, 4, 5], layers } as unknown as NetworkDescription;
    expect(firstFilters(network, { 'first.weight': zeros(7, 60) })?.shape).toEqual([7, 3, 4, 5]);
    expect(firstFilters(network, { 'first.weight': zeros(20, 7, 3, 2, 2) })).toBeUndefined();
    expect(firstFilters(network, {})).toBeUndefined();
  });
});
