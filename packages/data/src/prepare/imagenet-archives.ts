import { basename, join } from 'node:path';
import { DataError } from '@alex/tensor';
import { distinctNames } from '../class-names.js';
import { type Contest, contestOf, type DevelopmentKit, readDevelopmentKit } from './development-kit.js';
import type { ImageSource, SourceImage } from './source.js';
import { partOf, type TarMember, tarMembers, withFile } from './tar.js';

/** The two archives: their names at image-net.org, and the form of the names in them, by which they are recognized. */
const kinds = {
  training: { official: /^ILSVRC\d+_(?:img|images)_train\.tar$/, holds: /(^|\/)n\d{8}\.tar$/ },
  validation: { official: /^ILSVRC\d+_(?:img|images)_val\.tar$/, holds: /(^|\/)ILSVRC\d+_val_\d+\.JPEG$/i },
};

/** The archives of image-net.org in a folder: paths. */
export interface ImagenetArchives {
  readonly training: string;
  readonly validation: string;
}

/**
 * Finds the archives of image-net.org among files by the first name in them, or else by their own names.
 *
 * @returns nothing if there are none
 * @throws DataError if one of the two is missing, or several candidates exist.
 */
export async function findImagenetArchives(
  folder: string,
  files: readonly string[],
): Promise<ImagenetArchives | undefined> {
  const archives = files.filter((file) => file.endsWith('.tar'));
  const first = new Map(archives.map((file) => [file, firstMember(join(folder, file))]));
  const find = ({ official, holds }: (typeof kinds)['training']): string[] => {
    const named = archives.filter((file) => official.test(file));
    const holding = archives.filter((file) => holds.test(first.get(file) ?? ''));
    // If several have such contents (there is one of dogs), the one with the official name; files that cannot be read are
    // judged by their names.
    const both = named.filter((file) => first.get(file) === undefined || holding.includes(file));
    return [both, holding, named].find(({ length }) => length > 0) ?? [];
  };
  const [training, validation] = [find(kinds.training), find(kinds.validation)];
  if (training.length === 0 && validation.length === 0) return undefined;
  const only = (found: readonly string[], name: string): string => {
    if (found.length === 1) return join(folder, found[0]!);
    throw new DataError(
      found.length === 0
        ? `${folder} has no ${name} (or that of 2010): put the files there as they are downloaded`
        : `${folder} has ${found.join(' and ')}: give a folder with one of them`,
    );
  };
  return {
    training: only(training, 'ILSVRC2012_img_train.tar'),
    validation: only(validation, 'ILSVRC2012_img_val.tar'),
  };
}

/** The first name in an archive; undefined if it cannot be read, which is reported when it is read as a whole. */
function firstMember(file: string): string | undefined {
  try {
    return withFile(file, (bytes) => tarMembers(bytes).next().value?.name);
  } catch {
    return undefined;
  }
}

/**
 * ImageNet (ILSVRC 2010 or 2012) as downloaded: the training archive with one archive per class, the validation archive,
 * and the development kit. Nothing is unpacked: images are read at their positions in the archives. Classes
 * are numbered in the order of their WordNet ids, as everywhere but in the kit.
 *
 * @param folder the folder of the development kit
 * @throws DataError if a file is missing, truncated, or disagrees with the others.
 */
export async function imagenetArchives(
  folder: string,
  { training: trainingFile, validation: validationFile }: ImagenetArchives,
): Promise<ImageSource> {
  const kit = await readDevelopmentKit(folder);
  checkContests(
    [trainingFile, contestOf(basename(trainingFile))],
    [validationFile, contestOf(basename(validationFile))],
    [`${validationFile}: its images`, contestOf(firstMember(validationFile) ?? '')],
    [kit.groundTruthFile, kit.contest],
  );
  const year = /^ILSVRC(\d+)/.exec(basename(trainingFile))?.[1] ?? kit.contest ?? 2012;
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
