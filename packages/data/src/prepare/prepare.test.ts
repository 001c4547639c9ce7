import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, cp, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ConfigError, DataError } from '@alex/tensor';
import sharp from 'sharp';
import { extract } from 'tar-stream';
import { beforeAll, describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../../../temporary.base.js';
import { decodeImage } from '../image-file.js';
import { openDataset } from '../open-dataset.js';
import { ownScript } from '../own-script.js';
import { parseManifest } from '../prepared/manifest.js';
import { decodeNpy } from '../prepared/npy.js';
import { type Preparation, type PreparationEvent, type PrepareOptions, prepareDataset } from './prepare.js';
import { jpeg, photograph, smallImagenet, writeFiles, zipOf } from './testing.js';

/** Every file below a folder, by its checksum. */
async function contentOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  const content: Record<string, string> = {};
  for (const name of names) {
    const file = await readFile(join(folder, name)).catch(() => 'a folder');
    content[name] = createHash('sha256').update(file).digest('hex');
  }
  return content;
}

/** What another tar reader finds in a shard. */
async function filesOf(shard: string): Promise<Record<string, Buffer>> {
  const reader = extract();
  reader.end(await readFile(shard));
  const files: Record<string, Buffer> = {};
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    files[entry.header.name] = Buffer.concat(chunks);
  }
  return files;
}

const manifestOf = async (folder: string) =>
  parseManifest('dataset.json', await readFile(join(folder, 'dataset.json'), 'utf8'));

const parent = temporaryFolder();
let folder: string;
/** How the folder's images are usually prepared. */
let prepared: PrepareOptions;
let preparation: Preparation;
beforeAll(async () => {
  folder = join(parent, 'images');
  const files: Record<string, Buffer> = {};
  for (let i = 0; i < 14; i++) files[`train/${i % 2 ? 'cat' : 'dog'}/${i}.JPEG`] = await jpeg(i);
  for (let i = 0; i < 4; i++) files[`val/${i % 2 ? 'cat' : 'dog'}/${i}.JPEG`] = await jpeg(50 + i);
  await writeFiles(folder, files);
  prepared = ofFolder();
  preparation = await prepareDataset(prepared);
});

let count = 0;
const newFolder = () => join(parent, `to${count++}`);
const small = { size: 16, imagesPerShard: 4, workers: 2 } as const;
const ofFolder = (more: Partial<PrepareOptions> = {}): PrepareOptions => ({
  source: 'folder',
  from: folder,
  to: newFolder(),
  ...small,
  ...more,
});
/** A copy of a prepared data set, with its options. */
async function copyOfPrepared(): Promise<PrepareOptions> {
  const options = ofFolder();
  await cp(prepared.to, options.to, { recursive: true });
  return options;
}

describe('a folder of images', () => {
  test('becomes shards that another tar reader can read', async () => {
    const { directory, manifest, alreadyThere } = preparation;
    expect(alreadyThere).toBe(false);
    expect(manifest).toEqual(await manifestOf(directory));
    expect(await readdir(directory)).toEqual([
      'dataset.json',
      'mean-image.npy',
      'train-000000.tar',
      'train-000001.tar',
      'train-000002.tar',
      'train-000003.tar',
      'train.index',
      'validation-000000.tar',
      'validation.index',
    ]);
    expect(manifest.splits.train.shards.map(({ images }) => images)).toEqual([4, 4, 4, 2]);
    const files = await filesOf(join(directory, 'train-000001.tar'));
    expect(Object.keys(files)).toEqual(
      ['00000004_5', '00000005_7', '00000006_9', '00000007_0'].flatMap((key) => [`${key}.jpg`, `${key}.cls`]),
    );
    expect(files['00000006_9.cls']!.toString()).toBe('0');
    expect(files['00000007_0.cls']!.toString()).toBe('1');
    const metadata = await sharp(files['00000004_5.jpg']).metadata();
    expect(metadata).toMatchObject({ format: 'jpeg', width: 16, height: 16, channels: 3 });
    expect(metadata.exif).toBeUndefined();
  });

  test('keeps its classes, and its pixels up to JPEG loss', async () => {
    const dataset = await openDataset(prepared.to);
    expect(dataset).toMatchObject({ name: 'images', classes: ['cat', 'dog'], height: 16, width: 16, channels: 3 });
    expect([...dataset.train.labels]).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
    const { pixels } = await dataset.train.read([7]);
    const wanted = await decodeImage('dog/0', await jpeg(0), 16);
    const difference = pixels.reduce((sum, value, i) => sum + Math.abs(value - wanted[i]!), 0) / pixels.length;
    expect(difference).toBeLessThan(6);
  });

  test('keeps lossless pixels exactly, with their statistics', async () => {
    const { directory, manifest } = await prepareDataset(ofFolder({ encoding: 'png' }));
    const dataset = await openDataset(directory);
    const all = await dataset.train.read(Array.from({ length: 14 }, (_, i) => i));
    for (const [i, name] of [1, 11, 13].entries()) {
      const wanted = await decodeImage('cat', await jpeg(name), 16);
      expect([...all.pixels.subarray(i * 768, (i + 1) * 768)]).toEqual([...wanted]);
    }
    // Two passes over all pixels in float64, as no fast program would do.
    const mean = [0, 1, 2].map((c) => all.pixels.filter((_, i) => i % 3 === c).reduce((a, b) => a + b, 0) / (14 * 256));
    const { statistics } = manifest;
    for (const a of [0, 1, 2]) {
      expect(statistics.mean[a]).toBeCloseTo(mean[a]!, 10);
      for (const b of [0, 1, 2]) {
        let sum = 0;
        for (let i = 0; i < all.pixels.length; i += 3) {
          sum += (all.pixels[i + a]! - mean[a]!) * (all.pixels[i + b]! - mean[b]!);
        }
        expect(statistics.covariance[a]![b]).toBeCloseTo(sum / (14 * 256), 8);
      }
    }
    expect(statistics.standardDeviations).toHaveLength(3);
    const meanImage = decodeNpy('mean', await readFile(join(directory, 'mean-image.npy')), [3, 16, 16]);
    for (const [channel, pixel] of [
      [0, 0],
      [1, 100],
      [2, 255],
    ] as const) {
      let sum = 0;
      for (let i = 0; i < 14; i++) sum += all.pixels[i * 768 + pixel * 3 + channel]!;
      expect(meanImage[channel * 256 + pixel]).toBeCloseTo(sum / 14, 4);
    }
  });

  test('produces the same bytes with any number of workers, from any path', async () => {
    const elsewhere = join(newFolder(), 'images');
    await cp(folder, elsewhere, { recursive: true });
    const wanted = await contentOf(prepared.to);
    for (const options of [ofFolder({ workers: 1, from: elsewhere }), ofFolder({ workers: 5 })]) {
      await prepareDataset(options);
      expect(await contentOf(options.to)).toEqual(wanted);
    }
  });

  test('that is already prepared is compared with its checksums', async () => {
    const options = await copyOfPrepared();
    const before = await contentOf(options.to);
    const events: PreparationEvent['kind'][] = [];
    const again = await prepareDataset({ ...options, onEvent: ({ kind }) => events.push(kind) });
    expect(again.alreadyThere).toBe(true);
    expect(new Set(events)).toEqual(new Set(['listing', 'verifying']));
    expect(await contentOf(options.to)).toEqual(before);

    const shard = join(options.to, 'train-000002.tar');
    const content = await readFile(shard);
    content[1000]! ^= 4;
    await writeFile(shard, content);
    await truncate(join(options.to, 'validation-000000.tar'), 100);
    const verifying = prepareDataset(options);
    await expect(verifying).rejects.toThrow(DataError);
    await expect(verifying).rejects.toThrow('train-000002.tar, validation-000000.tar is not what was prepared');
  });
});

describe('images of every kind in ImageNet', () => {
  test('are decoded correctly, in the order of the source', async () => {
    const photo = photograph(3, 48, 48);
    const upright = await photo.clone().raw().toBuffer();
    const from = newFolder();
    await writeFiles(from, {
      'a/1-usual.JPEG': await photo.clone().jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toBuffer(),
      'a/2-grey.JPEG': await photo.clone().toColourspace('b-w').jpeg({ quality: 100 }).toBuffer(),
      'a/3-cmyk.JPEG': await photo.clone().toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer(),
      'a/4-deep.JPEG': await photo.clone().toColourspace('rgb16').png().toBuffer(),
      'a/5-png.JPEG': await photo.clone().png().toBuffer(),
      // A photograph with the camera held upright: the stored image lies on its side, and a tag says so.
      'a/6-turned.JPEG': await sharp(await photo.clone().rotate(270).png().toBuffer())
        .withMetadata({ orientation: 6 })
        .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
        .toBuffer(),
      'a/7-progressive.JPEG': await photo.clone().jpeg({ quality: 100, progressive: true }).toBuffer(),
      'b/1.JPEG': await jpeg(1),
      'b/2.JPEG': await jpeg(2),
    });
    const { directory } = await prepareDataset({ source: 'folder', from, to: newFolder(), size: 48, encoding: 'png' });
    const { train, validation } = await openDataset(directory);
    const names = new Map<string, Uint8Array>();
    for (const split of [train, validation]) {
      for (let i = 0; i < split.length; i++) {
        const name = /\/\d+_(.*)\.png$/.exec(split.imageName(i))![1]!;
        if (split.labels[i] === 0) names.set(name, (await split.read([i])).pixels);
      }
    }
    const difference = (name: string, wanted: (i: number) => number) => {
      const pixels = names.get(name)!;
      return pixels.reduce((sum, value, i) => sum + Math.abs(value - wanted(i)), 0) / pixels.length;
    };
    const colour = (i: number) => upright[i]!;
    const grey = (i: number) => {
      const [r, g, b] = upright.subarray(i - (i % 3), i - (i % 3) + 3);
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    expect(difference('5-png', colour)).toBe(0);
    expect(difference('1-usual', colour)).toBeLessThan(2);
    expect(difference('7-progressive', colour)).toBeLessThan(4);
    expect(difference('4-deep', colour)).toBeLessThan(1.5);
    expect(difference('6-turned', colour)).toBeLessThan(2);
    // CMYK is converted by a printing profile, so that colours are only about the same.
    expect(difference('3-cmyk', colour)).toBeLessThan(30);
    expect(difference('2-grey', grey)).toBeLessThan(8);
    const equal = names.get('2-grey')!.every((value, i, all) => value === all[i - (i % 3)]);
    expect(equal).toBe(true);
  });
});

describe('images that cannot be used', () => {
  async function withBroken(broken: number): Promise<string> {
    const from = newFolder();
    const files: Record<string, Buffer | string> = {};
    for (let i = 0; i < 10; i++) files[`${i % 2 ? 'a' : 'b'}/${i}.JPEG`] = await jpeg(i);
    const content = ['a poem', (await jpeg(3)).subarray(0, 300), ''];
    for (let i = 0; i < broken; i++) files[`a/broken${i}.JPEG`] = content[i]!;
    await writeFiles(from, files);
    return from;
  }

  test('are listed with the reason and counted', async () => {
    const from = await withBroken(3);
    const to = newFolder();
    const { manifest } = await prepareDataset({ source: 'folder', from, to, ...small, maxRejected: 0.3 });
    const { train, validation } = manifest.splits;
    expect(train.rejected + validation.rejected).toBe(3);
    expect(train.images + validation.images).toBe(10);
    const lines = (await readFile(join(to, 'rejected.jsonl'), 'utf8')).trimEnd().split('\n');
    const listed = lines.map((line) => JSON.parse(line) as { image: string; reason: string });
    expect(listed.map(({ image }) => image).sort()).toEqual([0, 1, 2].map((i) => `a/broken${i}.JPEG`));
    const reasonOf = (name: string) => listed.find(({ image }) => image === name)!.reason;
    expect(reasonOf('a/broken0.JPEG')).toBe('it is text');
    expect(reasonOf('a/broken1.JPEG')).toContain('it cannot be decoded (');
    expect(reasonOf('a/broken2.JPEG')).toBe('the file is empty');
  });

  test('stop the preparation if there are too many; allowing more continues it', async () => {
    const from = await withBroken(2);
    const options = { source: 'folder', from, to: newFolder(), ...small } as const;
    const preparing = prepareDataset(options);
    await expect(preparing).rejects.toThrow(DataError);
    await expect(preparing).rejects.toThrow(
      /of 12 images cannot be used, more than 0.1%; for example a\/broken\d\.JPEG/,
    );
    expect(await readFile(join(options.to, 'rejected.jsonl'), 'utf8')).toContain('"image":"a/broken');
    await expect(openDataset(options.to)).rejects.toThrow('was not completely prepared');
    const { manifest } = await prepareDataset({ ...options, maxRejected: 0.2 });
    expect(manifest.splits.train.images + manifest.splits.validation.images).toBe(10);
  });

  test('that make up a whole split stop it too', async () => {
    const from = newFolder();
    await writeFiles(from, {
      'train/a/1.JPEG': await jpeg(1),
      'train/b/1.JPEG': await jpeg(2),
      'val/a/1.JPEG': 'x',
    });
    const preparing = prepareDataset({ source: 'folder', from, to: newFolder(), ...small, maxRejected: 1 });
    await expect(preparing).rejects.toThrow('none of the validation images can be used');
  });
});

describe('an interruption', () => {
  /** Prepares in a separate process, which is killed as soon as this many images are done. */
  async function killedAfter(images: number, options: PrepareOptions): Promise<void> {
    const { url, execArgv } = ownScript('testing-process');
    const child = fork(url, [JSON.stringify(options)], { execArgv, stdio: 'ignore' });
    const ended = once(child, 'exit');
    child.on('message', (event: PreparationEvent) => {
      if (event.kind === 'images' && event.done >= images) child.kill('SIGKILL');
    });
    await ended;
  }

  test('by kill -9 at any moment leaves a state that continues to the same bytes', async () => {
    const from = newFolder();
    const files: Record<string, Buffer> = {};
    for (let i = 0; i < 60; i++) files[`train/c${i % 3}/${i}.JPEG`] = await photograph(i, 200, 150).jpeg().toBuffer();
    for (let i = 0; i < 9; i++) files[`val/c${i % 3}/${i}.JPEG`] = await jpeg(50 + i);
    await writeFiles(from, files);
    const whole = { source: 'folder', from, to: newFolder(), ...small, size: 128 } as const;
    await prepareDataset(whole);
    const wanted = await contentOf(whole.to);

    const options = { ...whole, to: newFolder() };
    // Before the first image, within the first shard, between later ones, and when all shards are there.
    for (const images of [0, 1, 30, 69]) {
      await killedAfter(images, options);
      const there = await readdir(options.to).catch(() => [] as string[]);
      if (!there.includes('dataset.json')) {
        await expect(openDataset(options.to)).rejects.toThrow('was not completely prepared');
      }
    }
    await prepareDataset(options);
    expect(await contentOf(options.to)).toEqual(wanted);
  });

  test('by a signal does too, even with shards damaged meanwhile', async () => {
    const wanted = await contentOf(prepared.to);
    const options = ofFolder({ workers: 1 });
    const controller = new AbortController();
    const stopping = prepareDataset({
      ...options,
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === 'images' && event.done >= 8) controller.abort(new Error('stopped'));
      },
    });
    await expect(stopping).rejects.toThrow('stopped');
    const finished = (await readdir(join(options.to, '.unfinished'))).filter((name) => name.endsWith('.tar.json'));
    expect(finished.length).toBeGreaterThan(0);
    const shard = join(options.to, finished[0]!.replace('.json', ''));
    const content = await readFile(shard);
    content[content.length >> 1]! ^= 1;
    await writeFile(shard, content);
    await prepareDataset(options);
    expect(await contentOf(options.to)).toEqual(wanted);
  });

  test('a signal that was already aborted starts nothing', async () => {
    await expect(prepareDataset(ofFolder({ signal: AbortSignal.abort(new Error('never')) }))).rejects.toThrow('never');
  });
});

describe('other sources', () => {
  test("ImageNet's archives", async () => {
    const from = newFolder();
    await writeFiles(from, await smallImagenet());
    const { manifest, directory } = await prepareDataset({ source: 'imagenet', from, to: newFolder(), ...small });
    expect(manifest).toMatchObject({
      name: 'ImageNet (ILSVRC 2012)',
      source: { kind: 'imagenet', from: ['ILSVRC2012_img_train.tar', 'ILSVRC2012_img_val.tar'] },
      classes: [{ id: 'n00000010' }, { id: 'n00000020' }, { id: 'n00000030' }],
    });
    const { train, validation, numbers } = await openDataset(directory);
    expect(numbers).toEqual([2, 3, 1]);
    expect([...validation.labels]).toEqual([2, 0, 1, 1, 0, 2]);
    expect(train.imageName(5)).toBe('train-000001.tar/00000005_n00000020_1.jpg');
  });

  test("Kaggle's zip archive of ImageNet, whose images are compressed in it or not", async () => {
    const from = join(newFolder(), 'imagenet.zip');
    const ids = ['n00000010', 'n00000020'];
    const files: Record<string, Buffer | string> = {};
    for (const [c, id] of ids.entries()) {
      for (const i of [0, 1]) files[`train/${id}/${id}_${i}.JPEG`] = await jpeg(2 * c + i);
      files[`val/${id}/${id}.JPEG`] = await jpeg(8 + c);
    }
    await writeFiles(dirname(from), { 'imagenet.zip': await zipOf(files) });
    const said: string[] = [];
    const { directory, manifest } = await prepareDataset({
      source: 'imagenet',
      from,
      to: newFolder(),
      ...small,
      encoding: 'png',
      onEvent: (event) => event.kind === 'remark' && said.push(event.text),
    });
    expect(said[0]).toBe(
      'Found ImageNet in folders (train/ID, val/ID): 2 classes, 4 training images and 2 validation images.',
    );
    expect(manifest.source.remarks).toEqual(said);
    const { train } = await openDataset(directory);
    const { pixels } = await train.read([0, 1, 2, 3]);
    for (const i of [0, 1, 2, 3]) {
      const wanted = await decodeImage(`${i}`, await jpeg(i), 16);
      expect([...pixels.subarray(i * 768, (i + 1) * 768)]).toEqual([...wanted]);
    }
  });

  test("Fashion-MNIST's files: one channel, without loss", async () => {
    const from = newFolder();
    const idx = (magic: number, sizes: number[], values: Uint8Array) => {
      const header = Buffer.alloc(4 + 4 * sizes.length);
      for (const [i, word] of [magic, ...sizes].entries()) header.writeUInt32BE(word, 4 * i);
      return gzipSync(Buffer.concat([header, values]));
    };
    const pixels = Uint8Array.from({ length: 10 * 784 }, (_, i) => (i * 7) % 251);
    await writeFiles(from, {
      'train-images-idx3-ubyte.gz': idx(0x803, [10, 28, 28], pixels),
      'train-labels-idx1-ubyte.gz': idx(0x801, [10], Uint8Array.of(9, 0, 0, 3, 0, 2, 7, 2, 5, 5)),
      't10k-images-idx3-ubyte.gz': idx(0x803, [10, 28, 28], pixels),
      't10k-labels-idx1-ubyte.gz': idx(0x801, [10], Uint8Array.of(9, 2, 1, 1, 6, 1, 4, 6, 5, 7)),
    });
    const { manifest, directory } = await prepareDataset({ source: 'fashion-mnist', from, to: newFolder() });
    expect(manifest.preprocessing).toMatchObject({ size: 28, channels: 1, encoding: 'png' });
    const dataset = await openDataset(directory);
    expect(dataset).toMatchObject({ name: 'Fashion-MNIST', channels: 1, height: 28 });
    const { pixels: read, labels } = await dataset.train.read([4, 1]);
    expect([...labels]).toEqual([0, 0]);
    expect(
      Buffer.from(read).equals(Buffer.concat([pixels.subarray(4 * 784, 5 * 784), pixels.subarray(784, 2 * 784)])),
    ).toBe(true);
    const mean = [...pixels].filter((_, i) => i % 784 === 100).reduce((sum, value) => sum + value, 0) / 10;
    expect(dataset.statistics!.meanImage[100]).toBeCloseTo(mean, 4);
  });

  test('emoji, without loss', async () => {
    const to = newFolder();
    const { manifest } = await prepareDataset({ source: 'emoji', classes: 3, size: 24, to });
    expect(manifest.preprocessing).toMatchObject({ encoding: 'png', size: 24 });
    expect(manifest.licences).toHaveLength(5);
    const [drawn, prepared] = [await openDataset('emoji:3', { size: 24 }), await openDataset(to)];
    expect(prepared.classes).toEqual(drawn.classes);
    const indices = [11, 0, 5];
    expect(await prepared.train.read(indices)).toEqual(await drawn.train.read(indices));
    expect(await prepared.validation.read([2])).toEqual(await drawn.validation.read([2]));
  });
});

describe('a disk', () => {
  /** Prepares in a separate process, as if the disk had room for this many more bytes. */
  async function preparedWithRoomFor(bytes: number, options: PrepareOptions): Promise<string> {
    const { url, execArgv } = ownScript('testing-process');
    const env = { ...process.env, NODE_OPTIONS: `--import ${fullDisk}`, ALEX_TEST_ROOM: `${bytes}` };
    const child = fork(url, [JSON.stringify(options)], { execArgv, env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await once(child, 'close');
    return said;
  }
  const fullDisk = `data:text/javascript,${encodeURIComponent(`
    import { open } from 'node:fs/promises';
    let room = Number(process.env.ALEX_TEST_ROOM);
    const handle = await open(process.execPath);
    const prototype = Object.getPrototypeOf(handle);
    await handle.close();
    const { writeFile } = prototype;
    prototype.writeFile = function (data, ...rest) {
      room -= data.length;
      if (room >= 0) return writeFile.call(this, data, ...rest);
      return Promise.reject(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }));
    };`)}`;

  test('that is full stops the preparation, which continues when there is space', async () => {
    const options = ofFolder();
    const said = await preparedWithRoomFor(12_000, options);
    expect(said).toMatch(/DataError: .* could not be written: no space is left on the disk; free some/);
    const there = await readdir(options.to);
    expect(there).not.toContain('dataset.json');
    await expect(openDataset(options.to)).rejects.toThrow('was not completely prepared');
    await prepareDataset(options);
    expect(await contentOf(options.to)).toEqual(await contentOf(prepared.to));
  });

  test.skipIf(process.getuid?.() === 0)('that is read-only stops it (skipped for root, who may write)', async () => {
    const to = newFolder();
    await mkdir(to, { mode: 0o500 });
    await expect(prepareDataset(ofFolder({ to }))).rejects.toThrow(/could not be written: .*check the path/);
  });

  test.skipIf(process.getuid?.() === 0)(
    'a source that may not be read (skipped for root, who may read it)',
    async () => {
      const from = newFolder();
      await cp(folder, from, { recursive: true });
      await chmod(join(from, 'train', 'cat'), 0);
      await expect(prepareDataset(ofFolder({ from }))).rejects.toThrow('cannot read the folder');
      await chmod(join(from, 'train', 'cat'), 0o755);
    },
  );
});

describe('wrong use', () => {
  test.each<[string, Partial<PrepareOptions>, string]>([
    ['a fraction above 1', { maxRejected: 1.5 }, 'maxRejected is 1.5'],
    ['a fraction that is not a number', { maxRejected: Number.NaN }, 'maxRejected is NaN'],
    ['no workers', { workers: 0 }, 'workers is 0'],
    ['no size', { size: 0 }, 'size is 0'],
    ['shards of nothing', { imagesPerShard: 0 }, 'imagesPerShard is 0'],
    ['a quality above 100', { quality: 101 }, 'quality is 101'],
    ['no place', { from: undefined }, 'from is missing'],
    ['nothing at all', { source: undefined, from: undefined }, 'source and from are missing'],
    [
      'no source of CIFAR-100',
      { source: 'cifar100', from: undefined },
      'from is missing: give the location of the files of cifar100',
    ],
    ['classes of its own', { classes: 3 }, 'classes is 3, but folder has its own classes'],
    ['an unknown source', { source: 'films' as 'folder' }, 'source is films'],
  ])('%s', async (_, change, message) => {
    const options = ofFolder(change);
    await expect(prepareDataset(options)).rejects.toThrow(ConfigError);
    await expect(prepareDataset(options)).rejects.toThrow(message);
    await expect(readdir(options.to)).rejects.toThrow('ENOENT');
  });

  test('a target with other content is left unchanged', async () => {
    const to = newFolder();
    await writeFiles(to, { 'letter.txt': 'dear' });
    await expect(prepareDataset(ofFolder({ to }))).rejects.toThrow(
      'contains letter.txt and is not an unfinished preparation',
    );
    expect(await readdir(to)).toEqual(['letter.txt']);
    await expect(prepareDataset(ofFolder({ to: join(to, 'letter.txt') }))).rejects.toThrow('cannot be used');
  });

  test('a target with another preparation, unfinished or finished', async () => {
    const options = await copyOfPrepared();
    const before = await contentOf(options.to);
    await expect(prepareDataset({ ...options, size: 20 })).rejects.toThrow('contains other data');
    expect(await contentOf(options.to)).toEqual(before);
    const begun = ofFolder();
    await mkdir(join(begun.to, '.unfinished'), { recursive: true });
    await writeFile(join(begun.to, '.unfinished', 'plan'), 'another');
    await expect(prepareDataset(begun)).rejects.toThrow('contains other data');
  });

  test.runIf(process.platform === 'linux')('a target without write permission', async () => {
    await expect(prepareDataset(ofFolder({ to: '/proc/alex-prepared' }))).rejects.toThrow(
      /\/proc\/alex-prepared.* could not be written: .*check the path/,
    );
  });
});
