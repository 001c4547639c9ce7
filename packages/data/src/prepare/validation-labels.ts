import { DataError } from '@alex/tensor';
import { filesAndLinks, listFolder } from '../files.js';
import { contestOf, readDevelopmentKit } from './development-kit.js';
import type { ImageTree } from './image-tree.js';
import { findText } from './imagenet-names.js';

/** The classes of validation images in a single folder. */
export interface ValidationLabels {
  /** The file that lists them. */
  readonly file: string;
  /** The WordNet id of an image, or undefined if the file does not have it. */
  idOf(image: string): string | undefined;
  /** Names of the images in the file, without their extensions; undefined if it has only numbers. */
  readonly images?: readonly string[];
  /** Class names, if the file has them. */
  readonly names?: ReadonlyMap<string, string>;
}

const annotations = 'val_annotations.txt';
const solution = 'LOC_val_solution.csv';

/**
 * Finds the labels of validation images: Tiny ImageNet's next to the images, Kaggle's, or a development kit's.
 *
 * @param folder the images' folder
 * @param above its parent folders, the nearest first
 * @throws DataError if there are none, or they are damaged.
 */
export async function findValidationLabels(
  tree: ImageTree,
  folder: string,
  above: readonly string[],
): Promise<ValidationLabels> {
  const ofTiny = await findText(tree, [folder], [annotations]);
  // val_0.JPEG <tab> n03444034 <tab> a box
  if (ofTiny !== undefined) return fromLines(`${folder}/${annotations}`, ofTiny, /^([^\t]+)\t(n\d+)(\t|$)/);
  const ofKaggle = await findText(tree, above, [solution]);
  // ILSVRC2012_val_00000001,n01751747 the box n01751747 the next
  if (ofKaggle !== undefined) return fromLines(solution, ofKaggle, /^([^,]+),"?(n\d+)[\s"]?/, /^ImageId,/);
  for (const place of above.flatMap((path) => tree.onDisk(path) ?? [])) {
    const content = await listFolder(place);
    const isKit = (name: string) => /devkit|validation_ground_truth/i.test(name);
    if ([...filesAndLinks(content), ...content.folders].some(isKit)) return fromKit(place);
  }
  throw new DataError(
    `${tree.name}: the images in ${folder}/ have no labels: put Kaggle's ${solution} next to it, or the development kit (ILSVRC2012_devkit_t12.tar.gz), or Tiny ImageNet's ${annotations} into it, or give a folder with val/CLASS/*`,
  );
}

function fromLines(file: string, text: string, pattern: RegExp, header?: RegExp): ValidationLabels {
  const ids = new Map<string, string>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || (i === 0 && header?.test(line))) continue;
    const [, image, id] = pattern.exec(line) ?? [];
    if (image === undefined || id === undefined) {
      throw new DataError(`${file}, line ${i + 1}: \`${line.slice(0, 60)}\` labels no image: get it again`);
    }
    const own = withoutEnding(image);
    const other = ids.get(own);
    if (other !== undefined && other !== id) {
      throw new DataError(
        `${file}, line ${i + 1}: ${image} is of the class ${id} here, of ${other} above: get it again`,
      );
    }
    ids.set(own, id);
  }
  return { file, idOf: (image) => ids.get(withoutEnding(image)), images: [...ids.keys()] };
}

async function fromKit(folder: string): Promise<ValidationLabels> {
  const { classes, groundTruth, groundTruthFile, contest } = await readDevelopmentKit(folder);
  return {
    file: groundTruthFile,
    names: new Map([...classes.values()].map(({ wnid, names }) => [wnid, names])),
    idOf(image) {
      const number = /_(\d+)\.[^.]+$/.exec(image)?.[1];
      const own = contestOf(image);
      if (own !== undefined && contest !== undefined && own !== contest) {
        throw new DataError(`${image} is of ${own}, ${groundTruthFile} of ${contest}: get both of one contest`);
      }
      return classes.get(groundTruth[Number(number) - 1] ?? Number.NaN)?.wnid;
    },
  };
}

export const withoutEnding = (image: string) => image.replace(/\.[^.]+$/, '');
