import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDataset } from '@alex/data';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../temporary.base.js';
import { runCommand } from './testing/command.js';
import { png, writeImages } from './testing/images.js';
import { readNpy } from './testing/npy.js';

const directory = temporaryFolder();
const run = 'runs/emoji';
const classes = 6;
/** The size of the images from which crops of 24 pixels are taken. */
const size = 27;
/** Images by the artist that the network never saw. */
const queries = ['a.png', 'b.png', 'c.png', 'd.png'];
const alexnet = (...args: string[]) => runCommand(args, { directory });
const sizes = ['--model', 'small', '--crop', '24', '--batch', '4', '--tune', 'off'];

beforeAll(async () => {
  const data = ['--data', 'emoji', '--classes', String(classes)];
  const trained = await alexnet('train', ...data, '--run', run, '--steps', '6', '--evaluate-every', '3', ...sizes);
  expect(trained.code, trained.stderr).toBe(0);
  const { validation } = await openDataset('emoji', { classes, size: 64 });
  const { pixels } = await validation.read([0, 2, 3, 5]);
  for (const [i, file] of queries.entries()) {
    const one = pixels.subarray(i * 64 * 64 * 3, (i + 1) * 64 * 64 * 3);
    await sharp(one, { raw: { width: 64, height: 64, channels: 3 } })
      .png()
      .toFile(join(directory, file));
  }
});

interface Found {
  readonly image: string;
  readonly error?: string;
  readonly nearest?: {
    readonly number: number;
    readonly name: string;
    readonly label: string;
    readonly distance: number;
  }[];
}

async function similar(...args: string[]) {
  const { code, stdout, stderr } = await alexnet('similar', ...args, '--json');
  const { index, images } = stdout === '' ? {} : JSON.parse(stdout);
  return { code, stderr, index, images: images as Found[] };
}

/** The nearest by definition, from the arrays that `features` writes. */
async function byDefinition(count: number, ...layer: string[]): Promise<number[][]> {
  const ofTraining = await alexnet('features', '--run', run, '--split', 'train', '--to', 'train.npy', ...layer);
  expect(ofTraining.code, ofTraining.stderr).toBe(0);
  const ofQueries = await alexnet('features', ...queries, '--run', run, '--to', 'queries.npy', ...layer);
  expect(ofQueries.code, ofQueries.stderr).toBe(0);
  const [training, own] = await Promise.all(['train.npy', 'queries.npy'].map((file) => readNpy(join(directory, file))));
  const columns = own!.values.length / queries.length;
  return queries.map((_, query) => {
    const distances = Array.from({ length: training!.shape[0]! }, (_, row) => {
      let sum = 0;
      for (let i = 0; i < columns; i++) {
        sum += (training!.values[row * columns + i]! - own!.values[query * columns + i]!) ** 2;
      }
      return Math.sqrt(sum);
    });
    return distances.sort((one, other) => one - other).slice(0, count);
  });
}

describe('similar', () => {
  it('needs an index, which is built once', async () => {
    const without = await alexnet('similar', ...queries, '--run', run);
    expect(without.code).toBe(2);
    expect(without.stderr).toMatch(
      /similar\/relu5\.index: there is no index yet; build it once with `.*similar --run runs\/emoji --build`/,
    );
    const nothing = await alexnet('similar', '--run', run);
    expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining('give image files, or --build') });
    const built = await alexnet('similar', '--run', run, '--build');
    expect(built.code, built.stderr).toBe(0);
    expect(built.stdout).toMatch(
      /^Building the index of relu5 for 24 training images: 0 MB, runs\/emoji\/similar\/relu5\.index\./m,
    );
    const before = await readFile(join(directory, run, 'similar/relu5.index'));
    const again = await similar('--run', run, '--build');
    expect(again).toMatchObject({ code: 0, index: { images: 24, layer: 'relu5', built: false }, images: [] });
    expect(again.stderr).toContain('already exists');
    expect(await readFile(join(directory, run, 'similar/relu5.index'))).toEqual(before);
  });

  it('finds the six nearest training images, in agreement with the features', async () => {
    const { code, stderr, images } = await similar(...queries, '--run', run);
    expect(code, stderr).toBe(0);
    expect(images.map(({ image }) => image)).toEqual(queries);
    const { train, classes: names } = await openDataset('emoji', { classes, size });
    const wanted = await byDefinition(6);
    for (const [i, { nearest }] of images.entries()) {
      expect(nearest!.map(({ distance }) => distance)).toHaveLength(6);
      for (const [place, { number, name, label, distance }] of nearest!.entries()) {
        expect(distance / wanted[i]![place]!).toBeCloseTo(1, 5);
        expect({ name, label }).toEqual({ name: train.imageName(number), label: names[train.labels[number]!] });
      }
    }
  });

  it('compares any layer, and finds as many as requested', async () => {
    const options = ['--run', run, '--layer', 'conv1', '--neighbours', '3', '--index', 'elsewhere.index'];
    const { code, stderr, images, index } = await similar(...queries, ...options, '--build');
    expect(code, stderr).toBe(0);
    expect(index).toEqual({ file: 'elsewhere.index', layer: 'conv1', images: 24, built: true });
    const wanted = await byDefinition(3, '--layer', 'conv1');
    for (const [i, { nearest }] of images.entries()) {
      expect(nearest).toHaveLength(3);
      for (const [place, { distance }] of nearest!.entries()) expect(distance / wanted[i]![place]!).toBeCloseTo(1, 5);
    }
    const other = await alexnet('similar', 'a.png', '--run', run, '--index', 'elsewhere.index');
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/elsewhere\.index: is the index of another layer\. Rebuild it with/);
  });

  it('draws images with their similar images, and processes the readable ones', async () => {
    await writeFile(join(directory, 'torn.png'), png(1, 2, 3).subarray(0, 60));
    const { code, stdout, stderr } = await alexnet(
      'similar',
      'a.png',
      'torn.png',
      'none.jpg',
      '--run',
      run,
      '--to',
      'similar.svg',
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: torn\.png cannot be read as an image.*\nerror: none\.jpg cannot be read/m);
    expect(stdout.match(/^ +[\d.e+]+ {2}\S+\/\S+ {2}.+$/gm)).toHaveLength(6);
    const svg = await readFile(join(directory, 'similar.svg'), 'utf8');
    expect(svg.match(/<image /g)).toHaveLength(7);
    const { images } = await similar('torn.png', 'a.png', '--run', run);
    expect(images).toMatchObject([
      { image: 'torn.png', error: expect.stringMatching(/cannot be read/) },
      { image: 'a.png' },
    ]);
  });

  it('finds a training image itself, at distance 0', async () => {
    const { train } = await openDataset('emoji', { classes, size });
    const { pixels } = await train.read([9]);
    await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
      .png()
      .toFile(join(directory, 'own.png'));
    const { images } = await similar('own.png', '--run', run);
    expect(images[0]!.nearest![0]).toMatchObject({ number: 9, name: train.imageName(9), distance: 0 });
  });

  it('refuses the index of other weights, until it is rebuilt', async () => {
    const index = join(directory, run, 'similar/relu5.index');
    const kept = await readFile(index);
    const more = await alexnet('train', '--run', run, '--resume', '--steps', '8');
    expect(more.code, more.stderr).toBe(0);
    const refused = await alexnet('similar', 'a.png', '--run', run);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(
      /is the index of other weights: .*Rebuild it with `.*similar --run runs\/emoji --build`/,
    );
    const earlier = await similar('a.png', '--run', run, '--checkpoint', '6');
    expect(earlier.code, earlier.stderr).toBe(0);
    const { code, stdout } = await alexnet('similar', 'a.png', '--run', run, '--build');
    expect(code).toBe(0);
    expect(stdout).toMatch(/relu5\.index is the index of other weights: .*; it is rebuilt\./);
    expect(await readFile(index)).not.toEqual(kept);
  });

  it('refuses the index of a run whose images have changed, and a damaged one', async () => {
    const images = join(directory, 'images');
    await writeImages(images, ['blue', 'red'], 5);
    const trained = await alexnet('train', '--data', 'images', '--run', 'runs/folder', '--steps', '2', ...sizes);
    expect(trained.code, trained.stderr).toBe(0);
    // Unreadable images are skipped if enough are allowed, as in training.
    const { train } = await openDataset(images, { size });
    const broken = join(images, train.imageName(5));
    const own = await readFile(broken);
    await writeFile(broken, own.subarray(0, 50));
    const stopped = await alexnet('similar', '--run', 'runs/folder', '--build');
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toContain(train.imageName(5));
    expect(existsSync(join(directory, 'runs/folder/similar/relu5.index'))).toBe(false);
    const without = await alexnet('similar', '--run', 'runs/folder', '--build', '--max-rejected', '10%');
    expect(without.code, without.stderr).toBe(0);
    expect(without.stdout).toContain('Building the index of relu5 for 7 training images');
    await writeFile(broken, own);
    const built = await alexnet('similar', broken, '--run', 'runs/folder', '--build');
    expect(built.code, built.stderr).toBe(0);
    expect(built.stdout).toMatch(/is the index of other training images: .*; it is rebuilt/);
    expect(built.stdout).toContain('Building the index of relu5 for 8 training images');
    await cp(broken, join(images, 'red', 'more.png'));
    const refused = await alexnet('similar', broken, '--run', 'runs/folder');
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is the index of other training images'),
    });
    await rm(join(images, 'red', 'more.png'));
    // Other contents under the same name are other images.
    await writeFile(broken, png(0, 255, 0));
    const changed = await alexnet('similar', broken, '--run', 'runs/folder');
    expect(changed.code).toBe(2);
    expect(changed.stderr).toMatch(/is the index of other training images/);
    await writeFile(broken, own);
    const file = join(directory, 'runs/folder/similar/relu5.index');
    const bytes = await readFile(file);
    bytes[bytes.length - 40]! ^= 1;
    await writeFile(file, bytes);
    const damaged = await alexnet('similar', broken, '--run', 'runs/folder');
    expect(damaged).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/is damaged \(its checksum is wrong\)/),
    });
  });

  it('continues an interrupted build', async () => {
    const index = join(directory, run, 'similar/relu5.index');
    const whole = await readFile(index);
    // A row is 256 values of two bytes, and 24 bytes more; the last one was cut off.
    await writeFile(`${index}.building`, whole.subarray(0, whole.length - 13 * (2 * 256 + 24) - 7));
    await rm(index);
    const { code, stdout } = await alexnet('similar', '--run', run, '--build');
    expect(code).toBe(0);
    // Batches of 4 are computed whole.
    expect(stdout).toContain('Continuing after the 8 images that it already contains.');
    expect(await readFile(index)).toEqual(whole);
    expect(existsSync(`${index}.building`)).toBe(false);
  });

  it('is shown in the report, if there is an index of these weights', async () => {
    const reported = async () => {
      const { code, stdout } = await alexnet('report', '--run', run);
      expect(code).toBe(0);
      return { stdout, html: await readFile(join(directory, run, 'report.html'), 'utf8') };
    };
    const { html } = await reported();
    const rows = html.split('<ul class="neighbours">')[1]!.split('</ul>')[0]!.split('<li>').slice(1);
    expect(rows.map((row) => row.match(/<img /g)!.length)).toEqual([7, 7, 7, 7, 7]);
    expect(rows[0]).toMatch(/alt="Image 1, of class \S.*alt="Its nearest image number 6, of class /);
    expect(/Fraction of colour: column 1 from \d+% at step 3 to \d+% at step 8; column 2/.test(html)).toBe(true);
    await rename(join(directory, run, 'similar'), join(directory, 'aside'));
    expect((await reported()).html.includes('class="neighbours"')).toBe(false);
    await rename(join(directory, 'aside'), join(directory, run, 'similar'));
    const earlier = await alexnet('report', '--run', run, '--checkpoint', '6');
    expect(earlier.stdout).toMatch(/The report shows no similar images: .*relu5\.index is the index of other weights/);
  });

  it('stops building at a signal, with its exit code', async () => {
    process.on('newListener', function hear(event) {
      if (event !== 'SIGINT') return;
      process.off('newListener', hear);
      // As soon as it listens: a signal itself would end the tests.
      queueMicrotask(() => process.listeners('SIGINT').at(-1)!('SIGINT'));
    });
    const { code, stdout } = await alexnet('similar', '--run', run, '--layer', 'relu1', '--build');
    expect(code).toBe(130);
    expect(stdout).toMatch(/Stopping; finished rows are kept\.\nStopped\. The same command continues from here\.\n$/);
    expect(existsSync(join(directory, run, 'similar/relu1.index'))).toBe(false);
  });

  it.each([
    [['--run', run, '--to', 'x.svg', '--build'], /--to draws images with their similar images: give image files/],
    [['a.png'], /--run is missing/],
    [['a.png', '--run', run, '--neighbours', '0'], /must be a whole number from 1 to/],
    [['a.png', '--run', run, '--layer', 'fc9'], /small: has no layer fc9; its layers are conv1, relu1/],
    [['a.png', '--run', run, '--mean', 'm'], /--mean and --labels are for --weights/],
  ])('%j is wrong use', async (args, message) => {
    const { code, stderr } = await alexnet('similar', ...args);
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('a path that cannot be written is detected first', async () => {
    await mkdir(join(directory, 'folder'), { recursive: true });
    const { code, stderr } = await alexnet('similar', 'a.png', '--run', run, '--to', 'folder');
    expect(code).toBe(2);
    expect(stderr).toMatch(/--to folder: is a folder; give the name of a file/);
  });
});
