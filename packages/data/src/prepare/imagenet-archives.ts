import { basename, join } from 'node:path';
import { DataError } from '@alex/tensor';
import { distinctNames } from '../class-names.js';
import { listFolder } from '../files.js';
import { type Contest, contestOf, type DevelopmentKit, readDevelopmentKit } from './development-kit.js';
import type { ImageSource, SourceImage } from './source.js';
import { partOf, type TarMember, tarMembers, withFile } from './tar.js';

const trainingArchive = /^ILSVRC(\d+)_(?:img|images)_train\.tar$/;
const validationArchive = /^ILSVRC\d+_(?:img|images)_val\.tar$/;

/** Whether files include some of the archives, by their names. */
export const areImagenetArchives = (files: readonly string[]) =>
  files.some((file) => trainingArchive.test(file) || validationArchive.test(file));

/**
 * ImageNet (ILSVRC 2010 or 2012) as downloaded: the training archive, which contains an archive for each class, the
 * validation archive, and the development kit. Nothing is unpacked: images are located within the archives. Classes are
 * numbered in order of their WordNet ids, as everywhere except in the kit.
 *
 * @throws DataError if a file is missing, truncated, or disagrees with the others.
 */
export async function imagenetArchives(folder: string): Promise<ImageSource> {
  const { files } = await listFolder(folder);
  const find = (pattern: RegExp, name: string) => {
    const found = files.filter((file) => pattern.test(file));
    if (found.length === 1) return join(folder, found[0]!);
    throw new DataError(
      found.length === 0
        ? `${folder} has no ${name} (or that of 2010): put the files there as they are downloaded`
        : `${folder} has ${found.join(' and ')}: give a folder with one of them`,
    );
  };
  const trainingFile = find(trainingArchive, 'ILSVRC2012_img_train.tar');
  const validationFile = find(validationArchive, 'ILSVRC2012_img_val.tar');
  const kit = await readDevelopmentKit(folder);
  checkContests(
    [trainingFile, contestOf(basename(trainingFile))],
    [validationFile, contestOf(basename(validationFile))],
    [kit.groundTruthFile, kit.contest],
  );
  const year = trainingArchive.exec(basename(trainingFile))![1]!;
  const { ids, train } = trainingImages(trainingFile, kit);
  const names = new Map([...kit.classes.values()].map(({ wnid, names }) => [wnid, names]));
  const numbers = new Map([...kit.classes].map(([number, { wnid }]) => [wnid, number]));
  const readable = distinctNames(ids, (id) => names.get(id)!);
  const validation = validationImages(validationFile, kit, ids);
  const count = (value: number) => value.toLocaleString('en-US');
  return {
    kind: 'imagenet',
    name: `ImageNet (ILSVRC ${year})`,
    from: [basename(trainingFile), basename(validationFile)],
    classes: ids.map((id, label) => ({ id, name: readable[label]! })),
    numbers: ids.map((id) => numbers.get(id)!),
    channels: 3,
    bytes: 'file',
    lossless: false,
    train,
    validation,
    remarks: [
      `Found ImageNet's archives of ${year}: ${count(ids.length)} classes, ${count(train.length)} training images and ${count(validation.length)} validation images.`,
    ],
  };
}

/** Images and labels of different contests would fit each other, but would be wrong. */
function checkContests(...files: readonly (readonly [file: string, contest: Contest | undefined])[]): void {
  const [first, ...others] = files.filter(([, contest]) => contest !== undefined);
  const other = others.find(([, contest]) => contest !== first![1]);
  if (!other) return;
  throw new DataError(
    `${first![0]} is of ${first![1]}, ${other[0]} of ${other[1]}: put the files of one contest into a folder of their own`,
  );
}

function trainingImages(file: string, kit: DevelopmentKit): { ids: string[]; train: SourceImage[] } {
  const known = new Set([...kit.classes.values()].map(({ wnid }) => wnid));
  const byClass = new Map<string, TarMember[]>();
  withFile(file, (bytes) => {
    for (const archive of tarMembers(bytes)) {
      const id = /^(.*)\.tar$/.exec(basename(archive.name))?.[1];
      if (id === undefined) {
        throw new DataError(
          `${file} contains ${archive.name}, expected an archive for each class (n01440764.tar): is this the training archive?`,
        );
      }
      if (!known.has(id)) {
        throw new DataError(
          `${file} contains the class ${id}, which is not in the development kit: are they from the same year?`,
        );
      }
      if (byClass.has(id)) throw new DataError(`${file} contains the class ${id} twice: get it again`);
      const images = [...tarMembers(partOf(bytes, archive))];
      if (images.length === 0) throw new DataError(`${file}: ${archive.name} contains no images: get it again`);
      byClass.set(
        id,
        images.map((image) => ({ ...image, offset: archive.offset + image.offset })),
      );
    }
  });
  const missing = [...known].filter((id) => !byClass.has(id)).sort();
  if (missing.length > 0) {
    throw new DataError(
      `${file} lacks ${missing.length} of the ${known.size} classes of the development kit, for example ${missing[0]}: get it again`,
    );
  }
  // Sorted by name: an archive packed in another order gives the same data set.
  const ids = [...byClass.keys()].sort();
  const train = ids.flatMap((id, label) =>
    byName(byClass.get(id)!).map((image) => place(file, image, label, `${id}/${basename(image.name)}`)),
  );
  return { ids, train };
}

function validationImages(file: string, kit: DevelopmentKit, ids: readonly string[]): SourceImage[] {
  const members = withFile(file, (bytes) => [...tarMembers(bytes)]);
  const archive = members.find(({ name }) => name.endsWith('.tar'));
  if (archive)
    throw new DataError(`${file} contains ${archive.name}, expected images: is this the validation archive?`);
  const { groundTruth, groundTruthFile, classes } = kit;
  if (groundTruth.length !== members.length) {
    throw new DataError(
      `${groundTruthFile} has ${groundTruth.length} lines, ${file} has ${members.length} images: get both again, of one year`,
    );
  }
  const labels = new Map(ids.map((id, label) => [id, label]));
  return byName(members).map((image, i) => {
    const number = /_(\d+)\.[^.]+$/.exec(image.name)?.[1];
    if (number !== undefined && Number(number) !== i + 1) {
      throw new DataError(`${file}: ${image.name} is at position ${i + 1}, so another image is missing: get it again`);
    }
    return place(file, image, labels.get(classes.get(groundTruth[i]!)!.wnid)!, basename(image.name));
  });
}

const byName = (members: readonly TarMember[]) => members.toSorted((a, b) => (a.name < b.name ? -1 : 1));

const place = (file: string, { offset, length }: TarMember, label: number, name: string): SourceImage => ({
  name,
  label,
  file,
  offset,
  length,
});
