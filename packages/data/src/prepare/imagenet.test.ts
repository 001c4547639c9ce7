import { mkdir, readdir, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { DataError } from '@alex/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import { freeSpace } from '../free-space.js';
import { temporaryFolder } from '../testing.js';
import { imagenetSource } from './imagenet.js';
import { missingOfImagenet } from './imagenet-folders.js';
import { readPlace } from './place.js';
import type { ImageSource } from './source.js';
import { jpeg, smallImagenet, sourceContext, synsets, tarOf, writeFiles, zipOf } from './testing.js';

type Files = Record<string, Buffer | string>;

/** One image for each name used here. */
const images = new Map<number, Buffer>();
beforeAll(async () => {
  for (let seed = 0; seed < 12; seed++) images.set(seed, await jpeg(seed));
});
const image = (seed: number) => images.get(seed)!;

const [tench, bird, crane] = ['n00000010', 'n00000020', 'n00000030'] as const;
const ids = [tench, bird, crane];
const validationIds = [crane, tench, bird, bird];
const number = (i: number) => String(i).padStart(8, '0');

/** Two training images of each class, by `path`, and four for validation. */
function layout(train: (id: string, i: number) => string, validation: (id: string, i: number) => string): Files {
  const files: Files = {};
  for (const [c, id] of ids.entries()) for (const i of [0, 1]) files[train(id, i)] = image(2 * c + i);
  for (const [i, id] of validationIds.entries()) files[validation(id, i)] = image(6 + i);
  return files;
}

const kaggle = (): Files => ({
  ...layout(
    (id, i) => `ILSVRC/Data/CLS-LOC/train/${id}/${id}_${i}.JPEG`,
    (_, i) => `ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_${number(i + 1)}.JPEG`,
  ),
  'ILSVRC/Data/CLS-LOC/test/ILSVRC2012_test_00000001.JPEG': image(11),
  'ILSVRC/Annotations/CLS-LOC/val/ILSVRC2012_val_00000001.xml': '<annotation/>',
  'LOC_val_solution.csv': `ImageId,PredictionString\n${validationIds
    .map((id, i) => `ILSVRC2012_val_${number(i + 1)},${id} 1 2 3 4 ${i === 2 ? `${id} 5 6 7 8 ` : ''}`)
    // Kaggle's is unordered.
    .reverse()
    .join('\n')}\n`,
  'LOC_synset_mapping.txt': `${tench} tench, Tinca tinca\n${bird} crane, a bird\n${crane} crane\n`,
});
const torchvision = (): Files =>
  layout(
    (id, i) => `train/${id}/${id}_${i}.JPEG`,
    (id, i) => `val/${id}/ILSVRC2012_val_${number(i + 1)}.JPEG`,
  );
const tiny = (): Files => ({
  ...layout(
    (id, i) => `tiny-imagenet-200/train/${id}/images/${id}_${i}.JPEG`,
    (_, i) => `tiny-imagenet-200/val/images/val_${i}.JPEG`,
  ),
  [`tiny-imagenet-200/train/${tench}/${tench}_boxes.txt`]: `${tench}_0.JPEG\t0\t0\t63\t63\n`,
  'tiny-imagenet-200/test/images/test_0.JPEG': image(11),
  'tiny-imagenet-200/wnids.txt': `${bird}\n${tench}\n${crane}\n`,
  'tiny-imagenet-200/words.txt': `n00000001\tthing\n${tench}\ttench, Tinca tinca\n${bird}\tcrane, a bird\n${crane}\tcrane\n`,
  'tiny-imagenet-200/val/val_annotations.txt': validationIds
    .map((id, i) => `val_${i}.JPEG\t${id}\t0\t32\t44\t62\n`)
    .join(''),
});
async function hub(): Promise<Record<string, Buffer>> {
  const files: Record<string, Files> = { val_images: {} };
  for (let archive = 0; archive < 5; archive++) files[`train_images_${archive}`] = {};
  for (const [c, id] of ids.entries()) {
    for (const i of [0, 1]) files[`train_images_${(2 * c + i) % 5}`]![`${id}_${i}_${id}.JPEG`] = image(2 * c + i);
  }
  for (const [i, id] of validationIds.entries()) {
    files['val_images']![`ILSVRC2012_val_${number(i + 1)}_${id}.JPEG`] = image(6 + i);
  }
  const packed: Record<string, Buffer> = {};
  for (const [name, content] of Object.entries(files)) packed[`data/${name}.tar.gz`] = gzipSync(await tarOf(content));
  packed['data/test_images.tar.gz'] = gzipSync('not looked at');
  return packed;
}
const classesPy = `IMAGENET2012_CLASSES = OrderedDict(\n    {\n        "${tench}": "tench, Tinca tinca",\n        "${bird}": "crane, a bird",\n        "${crane}": "crane",\n    }\n)\n`;

async function folderOf(files: Files): Promise<string> {
  const folder = join(await temporaryFolder(), 'downloads');
  await mkdir(folder);
  await writeFiles(folder, files);
  return folder;
}
const without = (files: Files, ...names: string[]): Files =>
  Object.fromEntries(Object.entries(files).filter(([name]) => !names.some((start) => name.startsWith(start))));

const open = async (from: string) => imagenetSource(from, sourceContext(await temporaryFolder()));

async function refused(from: string, ...messages: string[]) {
  const opening = open(from);
  await expect(opening).rejects.toThrow(DataError);
  for (const message of messages) await expect(opening).rejects.toThrow(message);
}

/** In every layout, the same images have the same classes. */
function expectAll(source: ImageSource) {
  expect(source.classes).toEqual([
    { id: tench, name: 'tench' },
    { id: bird, name: 'crane (n00000020)' },
    { id: crane, name: 'crane (n00000030)' },
  ]);
  expect(source.train.map(({ label }) => label)).toEqual([0, 0, 1, 1, 2, 2]);
  expect(source.validation.map(({ label }) => label)).toEqual([2, 0, 1, 1]);
  const contents = [...source.train, ...source.validation].map((found) => readPlace(found.name, found));
  for (const [i, content] of contents.entries()) expect(content.equals(image(i))).toBe(true);
}
const counts = '3 classes, 6 training images and 4 validation images';
const testLeftOut = (folder: string) => `${folder}/ has no labels and is skipped.`;

describe("Kaggle's folders", () => {
  const found = `Found ImageNet in folders (ILSVRC/Data/CLS-LOC/train/ID, ILSVRC/Data/CLS-LOC/val/): ${counts}, labelled by LOC_val_solution.csv.`;

  test('are found, labelled by the solution, and named by the mapping', async () => {
    const source = await open(await folderOf(kaggle()));
    expectAll(source);
    expect(source).toMatchObject({ kind: 'imagenet', name: 'ImageNet (ILSVRC 2012)', from: ['downloads'] });
    expect(source.remarks).toEqual([found, testLeftOut('ILSVRC/Data/CLS-LOC/test')]);
    expect(source.train[3]!.name).toBe(`${bird}/${bird}_1.JPEG`);
    expect(source.validation[3]!.name).toBe('ILSVRC2012_val_00000004.JPEG');
  });

  test.each(['ILSVRC', 'ILSVRC/Data', 'ILSVRC/Data/CLS-LOC'])('are found from %s, too', async (inner) => {
    const folder = await folderOf(kaggle());
    expectAll(await open(join(folder, inner)));
    await writeFiles(folder, without(kaggle(), 'ILSVRC'));
    await rename(folder, `${folder}-2`);
    await mkdir(folder);
    await rename(`${folder}-2`, join(folder, 'imagenet-object-localization-challenge'));
    expectAll(await open(folder));
  });

  test('lists with a byte order mark and Windows line ends are read', async () => {
    const files = kaggle();
    for (const name of ['LOC_val_solution.csv', 'LOC_synset_mapping.txt']) {
      files[name] = `\uFEFF${(files[name] as string).replaceAll('\n', '\r\n')}`;
    }
    expectAll(await open(await folderOf(files)));
  });

  test('without the solution are refused, unless a development kit has the labels', async () => {
    const files = without(kaggle(), 'LOC_val_solution.csv');
    await refused(
      await folderOf(files),
      'the images in ILSVRC/Data/CLS-LOC/val/ have no labels: put Kaggle',
      'LOC_val_solution.csv next to it, or the development kit',
    );
    const kit = (await smallImagenet())['ILSVRC2012_devkit_t12.tar.gz']!;
    const six = Object.fromEntries(
      [4, 5].map((i) => [`ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_${number(i + 1)}.JPEG`, image(6 + i)]),
    );
    const source = await open(await folderOf({ ...files, ...six, 'ILSVRC2012_devkit_t12.tar.gz': kit }));
    const byNumber = new Map(synsets.map(({ id, wnid }) => [id, wnid]));
    expect(source.validation.map(({ label }) => ids[label])).toEqual([1, 2, 3, 3, 2, 1].map((id) => byNumber.get(id)));
  });

  test('that lack an image or a label are reported', async () => {
    const incomplete = without(kaggle(), 'ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000002');
    expect((await open(await folderOf(incomplete))).remarks).toContain(
      '1 of the images that LOC_val_solution.csv labels are missing in ILSVRC/Data/CLS-LOC/val/: ILSVRC2012_val_00000002.',
    );
    const lines = (kaggle()['LOC_val_solution.csv'] as string).split('\n');
    await refused(
      await folderOf({ ...kaggle(), 'LOC_val_solution.csv': lines.toSpliced(1, 1).join('\n') }),
      'LOC_val_solution.csv has no label for ILSVRC/Data/CLS-LOC/val/ILSVRC2012_val_00000004.JPEG',
    );
    const twice = [...lines, `ILSVRC2012_val_00000001,${tench} 1 2 3 4`].join('\n');
    await refused(
      await folderOf({ ...kaggle(), 'LOC_val_solution.csv': twice }),
      `ILSVRC2012_val_00000001 is of the class ${tench} here, of ${crane} above: get it again`,
    );
    await refused(
      await folderOf({ ...kaggle(), 'LOC_val_solution.csv': `${lines[0]}\nILSVRC2012_val_00000001,\n` }),
      'LOC_val_solution.csv, line 2: `ILSVRC2012_val_00000001,` labels no image',
    );
    await refused(
      await folderOf(without(kaggle(), `ILSVRC/Data/CLS-LOC/train/${bird}`)),
      `ILSVRC2012_val_00000003.JPEG is of the class ${bird}, which ILSVRC/Data/CLS-LOC/train/ lacks`,
    );
    await refused(
      await folderOf(without(kaggle(), 'ILSVRC/Data/CLS-LOC/val')),
      'has ILSVRC/Data/CLS-LOC/train/ but no ILSVRC/Data/CLS-LOC/val/',
    );
  });

  test('that are incomplete are compared with the counts of the full data set', () => {
    expect(missingOfImagenet(1000, 1_281_167, 50_000)).toEqual([]);
    expect(missingOfImagenet(100, 1, 1)).toEqual([]);
    expect(missingOfImagenet(1000, 1_281_166, 50_000)).toEqual([
      'The full data set has 1,281,167 training images and 50,000 validation images: check whether the download is complete.',
    ]);
  });
});

describe("Kaggle's zip archive", () => {
  test.each([false, true])('is read without unpacking it (Zip64: %o)', async (zip64) => {
    const folder = await folderOf({ 'imagenet.zip': await zipOf(kaggle(), zip64) });
    const [own, around] = [await open(join(folder, 'imagenet.zip')), await open(folder)];
    for (const source of [own, around]) {
      expectAll(source);
      expect(source.from).toEqual(['imagenet.zip']);
      expect(source.remarks).toContain(testLeftOut('ILSVRC/Data/CLS-LOC/test'));
    }
    expect(new Set(own.train.map(({ deflated }) => deflated))).toEqual(new Set([true, undefined]));
  });

  test('that is truncated or not a zip is refused', async () => {
    const folder = await folderOf({ 'imagenet.zip': await zipOf(kaggle()), 'no.zip': 'a poem' });
    await truncate(join(folder, 'imagenet.zip'), 2000);
    await refused(join(folder, 'imagenet.zip'), 'imagenet.zip is truncated or not a zip archive', 'get it again');
    await refused(join(folder, 'no.zip'), 'no.zip: it is text; give a folder with');
  });

  test('that holds other images, or is encrypted, has to be unpacked', async () => {
    const encrypted = await zipOf({ ...kaggle() });
    // The lowest flag of each entry in the directory.
    for (let at = encrypted.indexOf('PK\x01\x02'); at !== -1; at = encrypted.indexOf('PK\x01\x02', at + 4))
      encrypted[at + 8]! |= 1;
    const folder = await folderOf({
      'pets.zip': await zipOf({ 'cat/1.jpg': 'x', 'dog/1.jpg': 'x' }),
      'secret.zip': encrypted,
    });
    await refused(
      join(folder, 'pets.zip'),
      'no known form of ImageNet: unpack other images, and give their folder; of',
    );
    await refused(join(folder, 'secret.zip'), ' is encrypted: unpack the archive, and give the folder');
  });

  test('a damaged image in it is rejected by name', async () => {
    const folder = await folderOf({ 'imagenet.zip': await zipOf(kaggle()) });
    const source = await open(join(folder, 'imagenet.zip'));
    const packed = source.train.find(({ deflated }) => deflated)!;
    expect(() => readPlace(packed.name, { ...packed, offset: packed.offset + 5 })).toThrow(
      `${packed.name} is damaged in its archive`,
    );
  });
});

describe("torchvision's folders", () => {
  test('carry their labels, and an additional kit does no harm', async () => {
    const kit = (await smallImagenet())['ILSVRC2012_devkit_t12.tar.gz']!;
    const source = await open(
      await folderOf({
        ...torchvision(),
        'ILSVRC2012_devkit_t12.tar.gz': kit,
        'meta.bin': 'PyTorch',
        'synset_words.txt': `${tench} tench, Tinca tinca\n${bird} crane, a bird\n${crane} crane\n`,
      }),
    );
    expect(source.train.map(({ label }) => label)).toEqual([0, 0, 1, 1, 2, 2]);
    expect(source.validation.map(({ label }) => label)).toEqual([0, 1, 1, 2]);
    expect(source.classes.map(({ name }) => name)).toEqual(['tench', 'crane (n00000020)', 'crane (n00000030)']);
    expect(source.remarks).toEqual([`Found ImageNet in folders (train/ID, val/ID): ${counts}.`]);
  });

  test('without names are named by their ids, with a message', async () => {
    const { classes, remarks } = await open(await folderOf({ ...torchvision(), 'train/notes/1.JPEG': image(0) }));
    expect(classes[0]).toEqual({ id: tench, name: tench });
    expect(remarks!.slice(1)).toEqual([
      'Folders of train/ that are not WordNet ids are skipped: notes.',
      expect.stringMatching(/^3 of 3 classes are named by their WordNet ids; LOC_synset_mapping\.txt/),
    ]);
  });

  test('that lack a part are refused', async () => {
    await refused(await folderOf(without(torchvision(), 'val')), 'has train/ but no val/');
    await refused(
      await folderOf({ ...torchvision(), [`train/n00000040/readme.txt`]: 'x' }),
      'in train/, the folder n00000040 contains no images',
    );
    await refused(
      await folderOf({ ...torchvision(), 'train/n00000040.tar': 'x' }),
      'train/n00000040.tar is not unpacked: unpack it into a folder with the same name',
    );
    await refused(
      await folderOf({ ...torchvision(), ...tiny() }),
      'contains train/ and tiny-imagenet-200/train/: give the folder of one of them',
    );
  });
});

describe('Tiny ImageNet', () => {
  test('is recognized from its own folder, the parent folder, or its zip archive', async () => {
    const folder = await folderOf(tiny());
    const archive = join(await folderOf({ 'tiny-imagenet-200.zip': await zipOf(tiny()) }), 'tiny-imagenet-200.zip');
    for (const from of [folder, join(folder, 'tiny-imagenet-200'), archive]) {
      const source = await open(from);
      expectAll(source);
      expect(source.name).toBe('Tiny ImageNet');
      expect(source.remarks).toEqual([
        `Found Tiny ImageNet: ${counts}, labelled by val_annotations.txt.`,
        expect.stringMatching(/test\/ has no labels and is skipped\.$/),
      ]);
    }
  });

  test('that lacks a class of its list is refused', async () => {
    await refused(await folderOf(without(tiny(), `tiny-imagenet-200/train/${bird}`)), `lacks the class ${bird}`);
  });
});

describe("Hugging Face's archives", () => {
  test('are unpacked once, and labelled by the names of the images', async () => {
    const folder = await folderOf({ ...(await hub()), 'classes.py': classesPy });
    const scratch = await temporaryFolder();
    const [first, second] = [sourceContext(scratch), sourceContext(scratch)];
    const source = await imagenetSource(folder, first);
    expectAll(source);
    expect(source.from[0]).toBe('train_images_0.tar.gz');
    expect(source.remarks).toEqual([
      `Found Hugging Face's archives of ImageNet in data/: ${counts}.`,
      'Skipped: test_images.tar.gz.',
    ]);
    expect(first.said).toHaveLength(1);
    expect(first.said[0]).toMatch(
      /^6 archives are compressed: they are unpacked first, which needs at least [\d.]+ kB/,
    );
    expectAll(await imagenetSource(join(folder, 'data'), second));
    expect(second.said).toEqual([]);
  });

  test('may be unpacked already', async () => {
    const folder = await folderOf(await hub());
    const files: Files = {};
    for (const i of [0, 1]) files[`${bird}_${i}_${bird}.JPEG`] = image(i);
    await writeFile(join(folder, 'data/train_images_2.tar'), await tarOf(files));
    const source = await open(folder);
    expect(source.from).toContain('train_images_2.tar');
    expect(source.remarks).toContain('Skipped: test_images.tar.gz, train_images_2.tar.gz.');
  });

  test('that are missing, truncated, or misnamed are refused', async () => {
    await refused(await folderOf(without(await hub(), 'data/train_images_3')), 'has no train_images_3.tar.gz: get it');
    await refused(await folderOf(without(await hub(), 'data/val_images')), 'has no val_images.tar.gz: get it');
    const broken = await folderOf(await hub());
    await truncate(join(broken, 'data/val_images.tar.gz'), 100);
    await refused(broken, 'val_images.tar.gz cannot be unpacked', 'get it again');
    const others = gzipSync(await tarOf({ 'n00000010_1.JPEG': image(0) }));
    await refused(
      await folderOf({ ...(await hub()), 'data/train_images_1.tar.gz': others }),
      'train_images_1.tar.gz: n00000010_1.JPEG does not end with the id of its class',
    );
    const more = gzipSync(await tarOf({ 'ILSVRC2012_val_00000001_n00000099.JPEG': image(0) }));
    await refused(
      await folderOf({ ...(await hub()), 'data/val_images.tar.gz': more }),
      'is of the class n00000099, which the training archives lack',
    );
  });

  test('are recognized by their contents as compressed or not', async () => {
    const files = await hub();
    const folder = await folderOf({
      ...files,
      'classes.py': classesPy,
      'data/val_images.tar.gz': gunzipSync(files['data/val_images.tar.gz']!),
    });
    const context = sourceContext(await temporaryFolder());
    expectAll(await imagenetSource(folder, context));
    expect(context.said[0]).toContain('5 archives are compressed');
  });

  test('that are Git LFS pointers are reported', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 29000000000\n';
    await refused(
      await folderOf({ ...(await hub()), 'data/train_images_1.tar.gz': pointer }),
      'train_images_1.tar.gz is not a tar archive: it is a Git LFS pointer',
      'run git lfs pull',
    );
  });

  test('for which there is no room are refused before anything is unpacked', async () => {
    const folder = await folderOf(await hub());
    const scratch = await temporaryFolder();
    const free = (await freeSpace(scratch))!;
    // A sparse file: it takes no space itself.
    for (const i of [0, 1]) await truncate(join(folder, `data/train_images_${i}.tar.gz`), Math.ceil(0.6 * free));
    const context = sourceContext(scratch);
    await expect(imagenetSource(folder, context)).rejects.toThrow(
      /^Unpacking 6 archives needs at least [\d,.]+ GB in .*, but only [\d,.]+ GB are free: free some space, or choose/,
    );
    expect(await readdir(scratch)).toEqual([]);
  });

  test('a signal stops the unpacking', async () => {
    const folder = await folderOf(await hub());
    const context = { ...sourceContext(await temporaryFolder()), signal: AbortSignal.abort(new Error('stopped')) };
    await expect(imagenetSource(folder, context)).rejects.toThrow('stopped');
  });

  test('as Parquet are refused, with the right download', async () => {
    await refused(
      await folderOf({ 'data/train-00000-of-00294.parquet': 'PAR1' }),
      'contains Parquet files',
      'train_images_0',
    );
  });
});

test('archives as they are downloaded are still read', async () => {
  const source = await open(await folderOf(await smallImagenet()));
  expect(source.remarks).toEqual([
    "Found ImageNet's archives of 2012: 3 classes, 12 training images and 6 validation images.",
  ]);
});

test('refuses anything but ImageNet, with a list of what is accepted', async () => {
  const folder = await folderOf({ 'train/cat/1.JPEG': 'x', 'val/cat/1.JPEG': 'x' });
  await refused(folder, 'contains no known form of ImageNet: give a folder with ILSVRC2012_img_train.tar');
  await refused(join(folder, 'nowhere'), 'there is no folder');
});
