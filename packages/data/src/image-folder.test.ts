import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError, DataError } from '@alex/tensor';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { openImageFolder } from './image-folder.js';
import { temporaryFolder } from './testing.js';

/** An RGB image, as a function of position. */
function image(width: number, height: number, colour: (x: number, y: number) => [number, number, number]) {
  const pixels = Buffer.from(
    Array.from({ length: width * height }, (_, i) => colour(i % width, Math.floor(i / width))).flat(),
  );
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

let red: Buffer;
let blue: Buffer;
beforeAll(async () => {
  red = await image(8, 8, () => [255, 0, 0])
    .png()
    .toBuffer();
  blue = await image(8, 8, () => [0, 0, 255])
    .png()
    .toBuffer();
});

/** Writes files into a new folder, by their paths. */
async function folderOf(files: Record<string, Buffer | string>): Promise<string> {
  const folder = await temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}

/** The same image in other bytes: what follows its end is not read. */
const again = (image: Buffer) => Buffer.concat([image, Buffer.of(0)]);

/** Two classes with two training images and one validation image each. */
const complete = () => ({
  'train/b/1.png': blue,
  'train/b/2.png': blue,
  'train/a/1.png': red,
  'train/a/2.png': red,
  'val/a/3.png': again(red),
  'val/b/3.png': again(blue),
});

/** Opens a folder with this one image and one of another class, and reads the image. */
async function readOne(content: Buffer, size: number, name = 'x.JPEG') {
  const folder = await folderOf({ [`train/a/${name}`]: content, 'train/b/1.png': blue, 'val/a/1.png': red });
  const { train } = await openImageFolder(folder, { size });
  const { pixels, channels } = await train.read([0]);
  expect(channels).toBe(3);
  expect(pixels).toHaveLength(size * size * 3);
  return (x: number, y: number) => [...pixels.subarray((y * size + x) * 3, (y * size + x) * 3 + 3)];
}

function expectColour(got: number[], want: number[], tolerance: number) {
  got.forEach((value, channel) => {
    expect(Math.abs(value - want[channel]!), `${got} instead of ${want}`).toBeLessThanOrEqual(tolerance);
  });
}

describe('the folders', () => {
  test('classes are numbered by name, images come by class and name', async () => {
    const folder = await folderOf(complete());
    const dataset = await openImageFolder(folder, { size: 4 });
    expect(dataset).toMatchObject({ name: folder, classes: ['a', 'b'], channels: 3, height: 4, width: 4 });
    expect([...dataset.train.labels]).toEqual([0, 0, 1, 1]);
    expect([...dataset.validation.labels]).toEqual([0, 1]);
    expect(dataset.train.imageName(2)).toBe('train/b/1.png');
    const batch = await dataset.validation.read([1, 0]);
    expect([...batch.labels]).toEqual([1, 0]);
    expect([...batch.pixels.subarray(0, 3)]).toEqual([0, 0, 255]);
    expect([...batch.pixels.subarray(48, 51)]).toEqual([255, 0, 0]);
  });

  test('images are 256 x 256 by default', async () => {
    const dataset = await openImageFolder(await folderOf(complete()));
    expect([dataset.height, dataset.width]).toEqual([256, 256]);
    expect((await dataset.train.read([0])).pixels).toHaveLength(256 * 256 * 3);
  });

  test('validation/ works like val/, and may lack a class', async () => {
    const { validation } = await openImageFolder(
      await folderOf({ 'train/a/1.png': red, 'train/b/1.png': blue, 'validation/b/1.png': blue }),
      { size: 4 },
    );
    expect([...validation.labels]).toEqual([1]);
  });

  test('skipped files are named, and links are followed', async () => {
    const folder = await folderOf({
      ...complete(),
      'train/a/notes.txt': 'not an image',
      'train/a/1.bmp': 'not an image',
      'train/b/2.BMP': 'not an image',
      'train/b/notes': 'not an image',
      'train/a/.hidden.png': 'not an image',
      'train/.cache/x.png': red,
      'train/README.md': 'about',
      'train/overview.png': red,
      'train/b/old/1.png': red,
      'elsewhere/d.PnG': again(again(red)),
    });
    await symlink(join(folder, 'elsewhere'), join(folder, 'train', 'd'));
    const { train, classes, remarks } = await openImageFolder(folder, { size: 4 });
    expect(classes).toEqual(['a', 'b', 'd']);
    expect(train.length).toBe(5);
    expect(remarks).toEqual([
      'Folders next to train/ and val/ are skipped: elsewhere.',
      '2 hidden files and folders are skipped, for example train/.cache.',
      '1 image outside of the class folders is skipped: train/overview.png.',
      '4 files with other extensions (2 .bmp, 1 .txt, 1 without any) are skipped, for example train/a/1.bmp: images must be JPEG, PNG, WebP, GIF, TIFF or AVIF.',
      '1 folder inside a class folder is skipped: train/b/old: move the images up into the class folders.',
      '1 class has no validation images: d.',
    ]);
  });

  test('a faultless folder has no remarks', async () => {
    expect(await openImageFolder(await folderOf(complete()), { size: 4 })).not.toHaveProperty('remarks');
  });

  test('images that are learnt from and evaluated, or are in two classes, are named', async () => {
    const twice = { 'val/b/4.png': blue, 'val/b/5.png': blue, 'train/b/x.png': red };
    const { remarks } = await openImageFolder(await folderOf({ ...complete(), ...twice }), { size: 4 });
    expect(remarks).toEqual([
      '2 validation images are also among the training images, for example val/b/4.png (train/b/1.png): the validation error looks lower than it is.',
      '1 training image is in two classes, for example train/b/x.png (train/a/1.png): leave it in one of them.',
    ]);
  });

  test('classes that differ only in case or spaces are named', async () => {
    const files = { ...complete(), 'train/ A/1.png': again(again(red)) };
    const { classes, remarks } = await openImageFolder(await folderOf(files), { size: 4 });
    expect(classes).toEqual([' A', 'a', 'b']);
    expect(remarks).toContain(' A and a are two classes, whose names differ only in case or spaces.');
  });

  test('.jfif files and files without an extension are images too', async () => {
    const jpeg = await sharp(red).jpeg().toBuffer();
    const folder = await folderOf({ ...complete(), 'train/a/4.JFIF': jpeg, 'train/a/5': jpeg, 'train/a/x[1]': red });
    const { train, remarks } = await openImageFolder(folder, { size: 4 });
    expect(train.length).toBe(7);
    expect((await train.read([0, 1, 2, 3, 4])).count).toBe(5);
    expect(remarks).toEqual(['2 files without an extension are read as images, for example train/a/5.']);
  });

  test.each(["o'brien", '#1', '100%20', 'what?', '[a]', ' a', '-a', 'Paris, France', 'a\\b'])(
    'difficult names: %s',
    async (name) => {
      const folder = join(await folderOf({ [`${name}/train/${name}/${name}.png`]: red }), name);
      await mkdir(join(folder, 'train/zzz'), { recursive: true });
      await mkdir(join(folder, `val/${name}`), { recursive: true });
      await writeFile(join(folder, 'train/zzz/1.png'), blue);
      await writeFile(join(folder, `val/${name}/1.png`), red);
      const { classes, train, validation } = await openImageFolder(folder, { size: 4 });
      expect(classes).toEqual([name, 'zzz']);
      expect([...(await train.read([0])).pixels.subarray(0, 3)]).toEqual([255, 0, 0]);
      expect((await validation.read([0])).labels[0]).toBe(0);
    },
  );

  test.runIf(process.platform === 'linux')('names that are not UTF-8 are skipped and reported', async () => {
    const folder = await folderOf(complete());
    const strange = (path: string) => Buffer.concat([Buffer.from(join(folder, path)), Buffer.of(0x63, 0xe9)]);
    await writeFile(strange('train/a/'), red);
    await mkdir(strange('train/'));
    const { classes, train, remarks } = await openImageFolder(folder, { size: 4 });
    expect(classes).toEqual(['a', 'b']);
    expect(train.length).toBe(4);
    expect(remarks).toEqual([
      '2 names that are not valid UTF-8 are skipped, for example train/c\\xe9: rename the files.',
    ]);
  });

  test.skipIf(process.platform === 'darwin')('composed and decomposed names are the same class', async () => {
    const [linux, mac] = ['café'.normalize('NFC'), 'café'.normalize('NFD')];
    const folder = await folderOf({
      [`train/${linux}/1.png`]: red,
      'train/zoo/1.png': blue,
      [`val/${mac}/1.png`]: red,
      [`train/${mac}/2.png`]: red,
    });
    const { classes, train, validation } = await openImageFolder(folder, { size: 4 });
    expect(classes).toEqual([linux, 'zoo']);
    expect([...train.labels]).toEqual([0, 0, 1]);
    expect((await validation.read([0])).labels[0]).toBe(0);
    expect((await train.read([0, 1])).count).toBe(2);
  });

  test('a class called train next to others is a class', async () => {
    const files = ['train', 'plane', 'car'].flatMap((name) => [`${name}/1.png`, `${name}/2.png`]);
    const folder = await folderOf(Object.fromEntries(files.map((file) => [file, red])));
    expect((await openImageFolder(folder, { size: 4 })).classes).toEqual(['car', 'plane', 'train']);
  });

  test('without val/, one image in ten of each class is held out, always the same, whether in train/ or not', async () => {
    const names = [
      ...Array.from({ length: 30 }, (_, i) => `a/${i}.png`),
      ...Array.from({ length: 4 }, (_, i) => `train/${i}.png`),
    ];
    const read = async (root: string) => {
      const folder = await folderOf(Object.fromEntries(names.map((name) => [root + name, red])));
      const { train, validation } = await openImageFolder(folder, { size: 4 });
      const namesOf = (split: typeof train) =>
        Array.from({ length: split.length }, (_, i) => split.imageName(i).slice(root.length));
      return { train: namesOf(train), validation: namesOf(validation), labels: [...validation.labels] };
    };
    const held = await read('train/');
    expect(held.labels).toEqual([0, 0, 0, 1]);
    expect([...held.train, ...held.validation].sort()).toEqual([...names].sort());
    expect(await read('train/')).toEqual(held);
  });

  test('class folders without train/ hold out the same images', async () => {
    const names = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((i) => [`a/${i}.png`, `b/${i}.png`]);
    const heldOut = async (root: string) => {
      const folder = await folderOf(Object.fromEntries(names.map((name) => [root + name, red])));
      const { validation } = await openImageFolder(folder, { size: 4 });
      return [0, 1].map((i) => validation.imageName(i).slice(root.length));
    };
    expect(await heldOut('')).toEqual(await heldOut('train/'));
  });

  test.each(['classes.txt', 'synset_words.txt'])('%s has readable names, all different', async (file) => {
    const folder = await folderOf({
      'train/n1/1.png': red,
      'train/n2/1.png': red,
      'train/n3/1.png': red,
      'train/n4/1.png': red,
      'val/n1/1.png': red,
      [file]: 'n1 crane, a bird\nn2 tench, Tinca tinca\r\nn4 crane\n\nn9 another\n',
    });
    const { classes } = await openImageFolder(folder, { size: 4 });
    expect(classes).toEqual(['crane (n1)', 'tench', 'n3', 'crane (n4)']);
  });
});

describe('the images', () => {
  test('scales the shorter side, and crops the central square', async () => {
    // 40 x 20: a red, a green and a blue band. The central half, x from 10 to 29, stays.
    const wide = await image(40, 20, (x) => (x < 10 ? [255, 0, 0] : x < 30 ? [0, 255, 0] : [0, 0, 255]))
      .png()
      .toBuffer();
    const at = await readOne(wide, 10);
    for (let x = 1; x < 9; x++) expectColour(at(x, 5), [0, 255, 0], 12);
    const high = await image(20, 40, (_, y) => (y < 10 ? [255, 0, 0] : y < 30 ? [0, 255, 0] : [0, 0, 255]))
      .png()
      .toBuffer();
    const below = await readOne(high, 40);
    for (let y = 4; y < 36; y++) expectColour(below(20, y), [0, 255, 0], 12);
  });

  test('an image of the right size keeps its pixels', async () => {
    const exact = await image(6, 6, (x, y) => [x * 40, y * 40, 7])
      .png()
      .toBuffer();
    const at = await readOne(exact, 6);
    for (let y = 0; y < 6; y++) for (let x = 0; x < 6; x++) expect(at(x, y)).toEqual([x * 40, y * 40, 7]);
  });

  test.each([
    // Where the red top left corner of the camera's image ends up, as EXIF defines the eight orientations.
    [1, 'top left'],
    [2, 'top right'],
    [3, 'bottom right'],
    [4, 'bottom left'],
    [5, 'top left'],
    [6, 'top right'],
    [7, 'bottom right'],
    [8, 'bottom left'],
  ])('EXIF orientation %i puts the first corner %s', async (orientation, corner) => {
    const jpeg = await image(32, 32, (x, y) => (x < 16 && y < 16 ? [255, 0, 0] : [0, 0, 255]))
      .withMetadata({ orientation })
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toBuffer();
    const at = await readOne(jpeg, 32);
    const places = { 'top left': [8, 8], 'top right': [24, 8], 'bottom left': [8, 24], 'bottom right': [24, 24] };
    for (const [place, [x, y]] of Object.entries(places)) {
      expectColour(at(x!, y!), place === corner ? [255, 0, 0] : [0, 0, 255], 10);
    }
  });

  test('an orientation that swaps the sides is applied before the crop', async () => {
    // The camera's image is 40 x 20 and must be rotated by 90 degrees; then the bands lie one below the other.
    const jpeg = await image(40, 20, (x) => (x < 10 ? [255, 0, 0] : x < 30 ? [0, 255, 0] : [0, 0, 255]))
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toBuffer();
    const at = await readOne(jpeg, 20);
    for (let y = 3; y < 17; y++) expectColour(at(10, y), [0, 255, 0], 16);
  });

  test('grey JPEG becomes three equal channels', async () => {
    const grey = await image(16, 16, (x) => [x * 15, x * 15, x * 15])
      .toColourspace('b-w')
      .jpeg({ quality: 100 })
      .toBuffer();
    expect((await sharp(grey).metadata()).channels).toBe(1);
    const at = await readOne(grey, 16);
    for (let x = 0; x < 16; x++) expectColour(at(x, 3), [x * 15, x * 15, x * 15], 3);
  });

  test('CMYK JPEG becomes RGB of about the same colours', async () => {
    const cmyk = await image(16, 16, (x) => (x < 8 ? [200, 60, 60] : [240, 240, 240]))
      .toColourspace('cmyk')
      .jpeg({ quality: 100 })
      .toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    const at = await readOne(cmyk, 16);
    expectColour(at(3, 3), [200, 60, 60], 25);
    expectColour(at(13, 3), [240, 240, 240], 15);
  });

  test.each(['rgb16', 'grey16'] as const)('PNG of 16 bits (%s) called .JPEG becomes 8 bits', async (space) => {
    const deep = await image(16, 16, (x) => [x * 15, x * 15, x * 15])
      .toColourspace(space)
      .png()
      .toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    const at = await readOne(deep, 16);
    for (let x = 0; x < 16; x++) expectColour(at(x, 3), [x * 15, x * 15, x * 15], 1);
  });

  test.each(['srgb', 'rgb16'] as const)('transparent parts become white (%s)', async (space) => {
    const half = await sharp({
      create: { width: 8, height: 8, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
    })
      .composite([
        {
          input: await image(4, 8, () => [0, 200, 0])
            .png()
            .toBuffer(),
          left: 0,
          top: 0,
        },
      ])
      .toColourspace(space)
      .png()
      .toBuffer();
    const at = await readOne(half, 8);
    expectColour(at(1, 4), [0, 200, 0], 2);
    expectColour(at(6, 4), [255, 255, 255], 2);
  });

  test('a second reading gives the same, with and without a cache', async () => {
    const folder = await folderOf(complete());
    const { train } = await openImageFolder(folder, { size: 5, cacheBytes: 5 * 5 * 3 });
    const first = await train.read([0, 1, 2, 3]);
    expect(await train.read([0, 1, 2, 3])).toEqual(first);
    // Cached images are not read from their files again; those that did not fit are.
    await rm(join(folder, 'train'), { recursive: true });
    const results = await Promise.allSettled([0, 1, 2, 3].map((i) => train.read([i])));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('reports errors:', () => {
  async function refused(folder: string, message: string, options = {}) {
    const opening = openImageFolder(folder, { size: 4, ...options });
    await expect(opening).rejects.toThrow(DataError);
    await expect(opening).rejects.toThrow(message);
  }

  test('a folder that is missing', async () => {
    const folder = join(await temporaryFolder(), 'nowhere');
    await refused(folder, `there is no folder ${folder}`);
  });

  test('a file instead of a folder', async () => {
    const folder = await folderOf({ 'file.png': red });
    await refused(join(folder, 'file.png'), 'is not a folder: unpack it if it is an archive');
  });

  test.skipIf(process.getuid?.() === 0)(
    'a folder that may not be read (skipped for root, who may read it)',
    async () => {
      const folder = await folderOf(complete());
      await chmod(join(folder, 'train', 'a'), 0);
      await refused(folder, 'cannot read the folder');
      await chmod(join(folder, 'train', 'a'), 0o755);
    },
  );

  test('no class folders', async () => {
    await refused(await folderOf({ '1.png': red }), 'has no class folders: it needs at least two classes');
    await refused(await folderOf({ 'train/1.png': red }), 'has no class folders: it needs at least two classes');
  });

  test('one class only', async () => {
    await refused(await folderOf({ 'cats/1.png': red }), 'only one class folder, cats: it needs at least two classes');
    await refused(await folderOf({ 'train/cats/1.png': red, 'val/cats/1.png': red }), 'it needs at least two classes');
  });

  test('a class without images', async () => {
    await refused(
      await folderOf({ ...complete(), 'train/c/readme.txt': 'none' }),
      `${join('train', 'c')} has no images`,
    );
    // All at once.
    await refused(
      await folderOf({ ...complete(), 'train/c/readme.txt': 'none', 'train/d/1.txt': '', 'train/e/x/1.png': red }),
      'has no images; train/d, train/e have none either: put files',
    );
    await refused(await folderOf({ 'flowers/train/a/1.png': red }), 'flowers contains train/: give that folder');
  });

  test('a class that only the validation split has', async () => {
    await refused(await folderOf({ ...complete(), 'val/c/1.png': red }), 'has the class c, which train/ does not have');
  });

  test('val/ without classes, val/ without train/', async () => {
    const files = { 'train/a/1.png': red, 'train/b/1.png': red };
    await refused(await folderOf({ ...files, 'val/readme.txt': '' }), 'has no class folders: add some, or remove it');
    await refused(await folderOf({ 'val/a/1.png': red, 'val/b/1.png': red }), 'has val/ but no train/');
  });

  test('a class of one image that could not be held out', async () => {
    await refused(
      await folderOf({ 'a/1.png': red, 'a/2.png': red, 'b/1.png': red }),
      'b has only one image: give at least two',
    );
    const two = { 'a/1.png': red, 'a/2.png': red, 'b/1.png': red, 'c/1.png': red };
    await refused(await folderOf(two), 'b has only one image, and so has c: give at least two');
  });

  test('validation images on a disk that is not there', async () => {
    const folder = await folderOf({ 'train/a/1.png': red, 'train/a/2.png': red, 'train/b/1.png': red });
    await symlink('/nowhere', join(folder, 'val'));
    await refused(folder, `${join(folder, 'val')} is a link that leads nowhere`);
  });

  test('a file that has gone meanwhile', async () => {
    const folder = await folderOf(complete());
    const { train } = await openImageFolder(folder, { size: 4, cacheBytes: 0 });
    await rm(join(folder, 'train/a/1.png'));
    await expect(train.read([0])).rejects.toThrow(DataError);
  });

  test.each([0, -1, 1.5, Number.NaN, 5000])('a size of %d', async (size) => {
    await expect(openImageFolder(await folderOf(complete()), { size })).rejects.toThrow(ConfigError);
  });
});

describe('images that cannot be used', () => {
  let jpeg: Buffer;
  beforeAll(async () => {
    jpeg = await image(64, 64, (x, y) => [(x * y) % 256, x * 3, y * 3])
      .jpeg()
      .toBuffer();
  });

  /** Ten images, three of which are broken in different ways, and a broken link. */
  async function broken(): Promise<string> {
    const folder = await folderOf({
      ...complete(),
      'train/a/cut.JPEG': jpeg.subarray(0, jpeg.length / 2),
      'train/b/page.png': '<!DOCTYPE html>',
      'val/b/empty.png': '',
    });
    await symlink('/nowhere/x.png', join(folder, 'train/b/link.png'));
    return folder;
  }
  const faults = [
    ['train', 'train/a/cut.JPEG', expect.stringMatching(/^it cannot be decoded \(/)],
    ['train', 'train/b/link.png', 'it is a link that leads nowhere'],
    ['train', 'train/b/page.png', expect.stringMatching(/^it is a web page; /)],
    ['validation', 'val/b/empty.png', 'the file is empty'],
  ].map(([split, name, reason]) => ({ split, image: name, reason }));

  async function listed(file: string) {
    return (await readFile(file, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  }

  test('are all found when the folder is opened, and listed', async () => {
    const folder = await broken();
    const opening = openImageFolder(folder, { size: 4 });
    await expect(opening).rejects.toThrow(DataError);
    await expect(opening).rejects.toThrow(
      /^4 of 10 images cannot be used, more than 0\.1%: train\/a\/cut\.JPEG \(it cannot .*\), train\/b\/link\.png \(it is a link that leads nowhere\), .*val\/b\/empty\.png \(the file is empty\); replace or remove them, or allow more with --max-rejected 40%$/,
    );
    const checksFolder = await temporaryFolder();
    const message = await openImageFolder(folder, { size: 4, checksFolder }).catch((error: Error) => error.message);
    const [, file] = /for example train\/a\/cut\.JPEG \(.*\)\. (\S+rejected\.jsonl) lists them: replace/.exec(
      `${message}`,
    )!;
    expect(await listed(file!)).toEqual(faults);
  });

  test('are skipped if this many are allowed, with a message', async () => {
    const folder = await broken();
    const { train, validation, remarks } = await openImageFolder(folder, { size: 4, maxRejected: 0.4 });
    expect(Array.from({ length: train.length }, (_, i) => train.imageName(i))).toEqual([
      ...['train/a/1.png', 'train/a/2.png', 'train/b/1.png', 'train/b/2.png'],
    ]);
    expect([...train.labels]).toEqual([0, 0, 1, 1]);
    expect([...(await train.read([2])).pixels.subarray(0, 3)]).toEqual([0, 0, 255]);
    expect(validation.length).toBe(2);
    expect(remarks).toEqual([
      expect.stringMatching(
        /^4 of 10 images cannot be used and are skipped, for example train\/a\/cut\.JPEG \(it cannot /,
      ),
    ]);
    await expect(openImageFolder(folder, { size: 4, maxRejected: 0.39 })).rejects.toThrow('more than 39%');
    await expect(openImageFolder(folder, { size: 4, maxRejected: 1.5 })).rejects.toThrow(ConfigError);
  });

  test('are allowed up to the proposed limit', async () => {
    const files: Record<string, Buffer | string> = {};
    for (let i = 0; i < 97; i++) files[`${i % 2}/${i}.png`] = i < 28 ? '' : red;
    const folder = await folderOf(files);
    const message = await openImageFolder(folder, { size: 4 }).catch((error: Error) => error.message);
    const [, proposed] = /--max-rejected ([\d.]+)%$/.exec(`${message}`)!;
    await openImageFolder(folder, { size: 4, maxRejected: Number(proposed) / 100 });
    await expect(openImageFolder(folder, { size: 4, maxRejected: Number(proposed) / 100 - 0.01 })).rejects.toThrow();
  });

  test('may be all images of a split, or of a class', async () => {
    const noValidation = { ...complete(), 'val/a/3.png': '', 'val/b/3.png': 'x' };
    const opening = openImageFolder(await folderOf(noValidation), { size: 4, maxRejected: 1 });
    await expect(opening).rejects.toThrow('none of the validation images can be used');
    const noneOfA = { ...complete(), 'train/a/1.png': '', 'train/a/2.png': '' };
    const { classes, remarks } = await openImageFolder(await folderOf(noneOfA), { size: 4, maxRejected: 1 });
    expect(classes).toEqual(['a', 'b']);
    expect(remarks).toContain('No training image of a can be used.');
  });

  test('in training do not matter if only validation is needed', async () => {
    const folder = await folderOf({ ...complete(), 'train/a/1.png': '' });
    const { validation, train } = await openImageFolder(folder, { size: 4, checked: 'validation' });
    expect([train.length, validation.length]).toEqual([4, 2]);
    await expect(train.read([0])).rejects.toThrow('cannot be read as an image');
    // The limit is that for all images, so data that training accepted are not refused afterwards.
    const other = await folderOf({ ...complete(), 'val/a/0.png': '' });
    const options = { size: 4, checked: 'validation', maxRejected: 1 / 7 } as const;
    expect((await openImageFolder(other, options)).validation.length).toBe(2);
  });

  test('are found when they are read, if nothing was checked', async () => {
    const folder = await broken();
    const { train } = await openImageFolder(folder, { size: 4, checked: 'none' });
    expect(train.length).toBe(7);
    await expect(train.read([0, 1])).resolves.toMatchObject({ count: 2 });
    await expect(train.read([0, 2])).rejects.toThrow(`${join(folder, 'train/a/cut.JPEG')} cannot be read as an image`);
  });

  test('a signal stops the search', async () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(openImageFolder(await folderOf(complete()), { signal })).rejects.toThrow('stopped');
  });
});

describe('stored results of checks', () => {
  /**
   * Opens a folder, and returns the number of images that had to be checked, and the checksum of the training images.
   */
  async function opened(folder: string, checksFolder: string | undefined, options = {}) {
    let looked = 0;
    const onCheck = (_: number, of: number) => {
      looked = of;
    };
    const { train } = await openImageFolder(folder, { size: 4, checksFolder, onCheck, ...options });
    return { looked, hash: await train.contentHash!() };
  }

  test('are kept; only replaced files are checked again, even if size and date are the same', async () => {
    const [folder, checks] = [await folderOf(complete()), await temporaryFolder()];
    const first = await opened(folder, checks);
    expect(first.looked).toBe(6);
    expect(await opened(folder, checks)).toEqual({ ...first, looked: 0 });
    expect(await opened(folder, checks, { size: 8 })).toEqual({ ...first, looked: 0 });
    // Another way to the same folder.
    await symlink(folder, join(checks, 'link'));
    expect((await opened(join(checks, 'link'), checks)).looked).toBe(0);

    const file = join(folder, 'train/a/1.png');
    const { atime, mtime } = await stat(file);
    // Bytes after the end of an image are ignored.
    await writeFile(join(folder, 'other'), Buffer.concat([blue, Buffer.alloc(red.length - blue.length)]));
    await utimes(join(folder, 'other'), atime, mtime);
    await rename(join(folder, 'other'), file);
    const replaced = await opened(folder, checks);
    expect(replaced.looked).toBe(1);
    expect(replaced.hash).not.toBe(first.hash);
    // Restores the replaced file.
    await writeFile(file, red);
    expect(await opened(folder, checks)).toEqual({ ...first, looked: 1 });
  });

  test('depend on the contents, not on the location', async () => {
    const [one, other] = [await folderOf(complete()), await folderOf(complete())];
    const hashes = [await opened(one, undefined), await opened(other, undefined)].map(({ hash }) => hash);
    expect(hashes[0]).toBe(hashes[1]);
    const unchecked = await opened(one, undefined, { checked: 'none' });
    expect(unchecked).toEqual({ looked: 0, hash: hashes[0] });
    // Earlier results remain valid while files do not change.
    const checks = await temporaryFolder();
    await opened(one, checks);
    expect(await opened(one, checks, { checked: 'none' })).toEqual(unchecked);
    await writeFile(join(one, 'train/a/1.png'), blue);
    expect((await opened(one, checks, { checked: 'none' })).hash).not.toBe(hashes[0]);
  });

  test('are only a cache: if it is truncated, of another version or not writable, everything is checked again', async () => {
    const [folder, checks] = [await folderOf({ ...complete(), 'train/a/0.png': '' }), await temporaryFolder()];
    const first = await opened(folder, checks, { maxRejected: 1 });
    const [name] = await readdir(checks);
    const file = join(checks, name!, 'checked.jsonl');
    const whole = await readFile(file, 'utf8');
    // A truncated last line affects one image; later lines are intact.
    await writeFile(file, whole.slice(0, -10));
    expect(await opened(folder, checks, { maxRejected: 1 })).toEqual({ ...first, looked: 1 });
    expect(await opened(folder, checks, { maxRejected: 1 })).toEqual({ ...first, looked: 0 });
    await writeFile(file, whole.replace('"version":1', '"version":0'));
    expect(await opened(folder, checks, { maxRejected: 1 })).toEqual({ ...first, looked: 7 });
    await writeFile(join(checks, 'file'), '');
    expect(await opened(folder, join(checks, 'file'), { maxRejected: 1 })).toEqual({ ...first, looked: 7 });
  });

  test('of training are kept if only validation is checked', async () => {
    const files: Record<string, Buffer> = { ...complete() };
    for (let i = 0; i < 300; i++) files[`train/a/${i}.jpg`] = red;
    const [folder, checks] = [await folderOf(files), await temporaryFolder()];
    await opened(folder, checks);
    expect((await opened(folder, checks, { checked: 'validation' })).looked).toBe(0);
    expect((await opened(folder, checks)).looked).toBe(0);
  });

  test('do not grow beyond the existing files', async () => {
    const [folder, checks] = [await folderOf(complete()), await temporaryFolder()];
    await opened(folder, checks);
    const file = join(checks, (await readdir(checks))[0]!, 'checked.jsonl');
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const old = Array.from({ length: 1000 }, (_, i) => JSON.stringify([`train/gone/${i}.png`, '1 1 1 1', 'x']));
    await writeFile(file, `${[lines[0], ...old, ...lines.slice(1)].join('\n')}\n`);
    expect((await opened(folder, checks)).looked).toBe(0);
    expect((await readFile(file, 'utf8')).trimEnd().split('\n').sort()).toEqual(lines.sort());
  });
});

describe('photographs of ImageNet', () => {
  const shared = fileURLToPath(new URL('../../../../shared/data/imagenette', import.meta.url));

  test.skipIf(!existsSync(shared))(
    'are read with readable names (skipped where ../shared/data is absent)',
    async () => {
      const { classes, train, validation } = await openImageFolder(shared, { checked: 'none' });
      expect(classes).toHaveLength(10);
      expect(classes[0]).toBe('tench');
      expect([train.length, validation.length]).toEqual([9469, 976]);
      const { pixels } = await validation.read([0, 500, 975]);
      expect(new Set(pixels).size).toBeGreaterThan(100);
    },
  );
});
