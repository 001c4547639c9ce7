import { basename, extname, posix, resolve } from 'node:path';
import { DataError } from '@alex/tensor';
import { imageEndings } from '../image-file.js';
import { leftOut, Remarks, type RemarkWords, someOf } from '../remarks.js';
import { forEachLimited } from '../split.js';
import type { ImageTree } from './image-tree.js';
import { findText, nameClasses } from './imagenet-names.js';
import type { ImageSource, SourceImage } from './source.js';
import { findValidationLabels, type ValidationLabels, withoutEnding } from './validation-labels.js';

const wordNetId = /^n\d{8}$/;
/** The location of images within Kaggle's archives; elsewhere it is the folder itself. */
const places = ['', 'CLS-LOC', 'Data/CLS-LOC', 'ILSVRC/Data/CLS-LOC'];
const validationNames = ['val', 'validation', 'valid'];
/** Other contents of Kaggle's archives, in folders with the same names as those of the images. */
const withoutImages = ['Annotations', 'ImageSets'];
/** An archive within the training archive. */
const classArchive = /^n\d{8}\.tar$/;
/** Below that, folders are classes. */
const mostLookedInto = 20;
const filesAtATime = 16;

const noImages: RemarkWords = (count, first) =>
  `${leftOut(count, 'file that is not an image', 'files that are not images', first)}.`;

/** An image, before its location is looked up. */
interface Listed {
  readonly path: string;
  readonly id: string;
}

/**
 * Finds ImageNet in folders of images: the paths of the folders that contain `train/` with a folder for each WordNet
 * id.
 */
export async function findImagenetFolders(tree: ImageTree): Promise<string[]> {
  const roots = (await basesOf(tree)).flatMap((base) => places.map((place) => posix.join(base, place)));
  const found: string[] = [];
  for (const path of new Set(roots)) {
    const root = path === '.' ? '' : path;
    const train = await tree.list(posix.join(root, 'train'));
    const isImagenet =
      train &&
      (train.folders.some((name) => wordNetId.test(name)) || train.files.some((name) => classArchive.test(name)));
    if (isImagenet) found.push(root);
  }
  return found;
}

/** Folders that may contain the data set, up to two levels below the root: archives unpack to nested folders. */
async function basesOf(tree: ImageTree): Promise<string[]> {
  const below = async (folder: string) =>
    ((await tree.list(folder))?.folders ?? [])
      .filter((name) => !withoutImages.includes(name))
      .map((name) => posix.join(folder, name));
  const top = await below('');
  const inner: string[] = [];
  if (top.length <= mostLookedInto) for (const folder of top) inner.push(...(await below(folder)));
  return ['', ...top, ...(inner.length <= mostLookedInto ? inner : [])];
}

/**
 * ImageNet or Tiny ImageNet in folders of images, as packed by Kaggle, as expected by torchvision, or as downloaded for
 * Tiny ImageNet: `train/ID/*` (or `train/ID/images/*`) and `val/ID/*`, or `val/*` (or `val/images/*`) with a list of
 * labels.
 *
 * @param root the folder that contains `train/`
 * @throws DataError if something is missing or disagrees with the rest.
 */
export async function imagenetFolders(tree: ImageTree, root: string): Promise<ImageSource> {
  const at = (...names: string[]) => posix.join(root, ...names);
  const remarks = new Remarks();
  const above = foldersAround(root);
  const train = await listById(tree, at('train'), remarks);
  const ids = [...train.keys()];
  const isTiny = await findText(tree, [root], ['wnids.txt']);
  for (const id of isTiny?.match(/n\d{8}/g) ?? []) {
    if (!train.has(id)) throw new DataError(`${tree.name}: ${at('train')}/ lacks the class ${id}: get it again`);
  }
  const { folder, validation, labels } = await listValidation(tree, root, above, remarks);
  for (const { id, path } of validation) {
    if (train.has(id)) continue;
    throw new DataError(`${tree.name}: ${path} is of the class ${id}, which ${at('train')}/ lacks: get it again`);
  }
  if ((await tree.list(at('test'))) !== undefined) remarks.say(`${at('test')}/ has no labels and is skipped.`);
  const { classes, remarks: ofNames } = await nameClasses(tree, { folders: [root], above }, ids, labels?.names);
  const trainImages = [...train.values()].flat();
  const missing = isTiny === undefined ? missingOfImagenet(ids.length, trainImages.length, validation.length) : [];
  const count = (value: number) => value.toLocaleString('en-US');
  const form =
    isTiny !== undefined ? 'Tiny ImageNet' : `ImageNet in folders (${at('train')}/ID, ${folder}/${labels ? '' : 'ID'})`;
  return {
    kind: 'imagenet',
    name: isTiny !== undefined ? 'Tiny ImageNet' : 'ImageNet (ILSVRC 2012)',
    from: [basename(resolve(tree.name))],
    classes,
    channels: 3,
    bytes: 'file',
    lossless: false,
    train: await placed(tree, at('train'), trainImages, ids),
    validation: await placed(tree, folder, validation, ids),
    remarks: [
      `Found ${form}: ${count(ids.length)} classes, ${count(trainImages.length)} training images and ${count(validation.length)} validation images${labels ? `, labelled by ${basename(labels.file)}` : ''}.`,
      ...missing,
      ...remarks.lines(),
      ...ofNames,
    ],
  };
}

/** What is missing compared with the full data set; subsets have fewer classes. */
export function missingOfImagenet(classes: number, train: number, validation: number): string[] {
  const full = { classes: 1000, train: 1_281_167, validation: 50_000 };
  if (classes !== full.classes || (train === full.train && validation === full.validation)) return [];
  return [
    `The full data set has ${full.train.toLocaleString('en-US')} training images and ${full.validation.toLocaleString('en-US')} validation images: check whether the download is complete.`,
  ];
}

/** A folder and its parents: Kaggle's lists are next to `ILSVRC/`, or next to the archive that contains it. */
function foldersAround(root: string): string[] {
  return [0, 1, 2, 3, 4]
    .map((up) => posix.join(root, '../'.repeat(up)).replace(/\/$/, ''))
    .map((p) => (p === '.' ? '' : p));
}

/** The images of each class folder, by id. */
async function listById(tree: ImageTree, folder: string, remarks: Remarks): Promise<Map<string, Listed[]>> {
  const content = (await tree.list(folder))!;
  const packed = content.files.find((file) => classArchive.test(file));
  if (packed !== undefined) {
    throw new DataError(
      `${tree.name}: ${folder}/${packed} is not unpacked: unpack it into a folder with the same name, or give the folder with ILSVRC2012_img_train.tar`,
    );
  }
  const others = content.folders.filter((name) => !wordNetId.test(name));
  if (others.length > 0) remarks.say(`Folders of ${folder}/ that are not WordNet ids are skipped: ${someOf(others)}.`);
  const byId = new Map<string, Listed[]>();
  const empty: string[] = [];
  for (const id of content.folders) {
    if (!wordNetId.test(id)) continue;
    const images = await listImages(tree, posix.join(folder, id), remarks);
    if (images.length === 0) empty.push(id);
    byId.set(
      id,
      images.map((path) => ({ path, id })),
    );
  }
  if (empty.length === 0) return byId;
  throw new DataError(
    `${tree.name}: in ${folder}/, the ${empty.length === 1 ? 'folder' : 'folders'} ${someOf(empty)} ${empty.length === 1 ? 'contains' : 'contain'} no images: get them again, or remove empty folders`,
  );
}

/** Images are in the folder itself or, in Tiny ImageNet, in its `images/`. */
async function listImages(tree: ImageTree, folder: string, remarks: Remarks): Promise<string[]> {
  const { files = [], folders = [] } = (await tree.list(folder)) ?? {};
  const images: string[] = [];
  for (const file of files) {
    const path = posix.join(folder, file);
    if (imageEndings.includes(extname(file).toLowerCase())) images.push(path);
    // Tiny ImageNet includes boxes and annotations.
    else if (extname(file) !== '.txt') remarks.add(noImages, path);
  }
  if (images.length > 0 || !folders.includes('images')) return images;
  return listImages(tree, posix.join(folder, 'images'), remarks);
}

async function listValidation(
  tree: ImageTree,
  root: string,
  above: readonly string[],
  remarks: Remarks,
): Promise<{ folder: string; validation: Listed[]; labels?: ValidationLabels }> {
  const names = (await tree.list(root))!.folders;
  const name = validationNames.find((name) => names.includes(name));
  if (name === undefined) {
    throw new DataError(
      `${tree.name} has ${posix.join(root, 'train')}/ but no ${posix.join(root, 'val')}/: put the validation images there`,
    );
  }
  const folder = posix.join(root, name);
  const content = (await tree.list(folder))!;
  if (content.folders.some((name) => wordNetId.test(name))) {
    return { folder, validation: [...(await listById(tree, folder, remarks)).values()].flat() };
  }
  const images = await listImages(tree, folder, remarks);
  if (images.length === 0) throw new DataError(`${tree.name}: ${folder}/ contains no images: get it again`);
  const labels = await findValidationLabels(tree, folder, above);
  const validation = images.map((path) => {
    const id = labels.idOf(basename(path));
    if (id === undefined) throw new DataError(`${tree.name}: ${labels.file} has no label for ${path}: get both again`);
    return { path, id };
  });
  const there = new Set(images.map((path) => withoutEnding(basename(path))));
  const missing = labels.images?.filter((image) => !there.has(image)) ?? [];
  if (missing.length > 0) {
    remarks.say(
      `${missing.length.toLocaleString('en-US')} of the images that ${basename(labels.file)} labels are missing in ${folder}/: ${someOf(missing)}.`,
    );
  }
  return { folder, validation, labels };
}

/** With their locations and labels; named by their paths within the split's folder. */
async function placed(
  tree: ImageTree,
  folder: string,
  images: readonly Listed[],
  ids: readonly string[],
): Promise<SourceImage[]> {
  const labels = new Map(ids.map((id, label) => [id, label]));
  const result: SourceImage[] = new Array(images.length);
  await forEachLimited(images.length, filesAtATime, async (i) => {
    const { path, id } = images[i]!;
    result[i] = { name: posix.relative(folder, path), label: labels.get(id)!, ...(await tree.place(path))! };
  });
  return result;
}
