import { posix } from 'node:path';
import { distinctNames, namesOfLines } from '../class-names.js';
import { textOf } from '../text.js';
import type { ImageTree } from './image-tree.js';
import { readPlace } from './place.js';
import type { SourceClass } from './source.js';

/** Kaggle's list of the classes, next to `ILSVRC/`. */
const kaggleFile = 'LOC_synset_mapping.txt';
/** Other lists: those of Tiny ImageNet, Caffe, Alex and Hugging Face. */
const nameFiles = ['words.txt', 'synset_words.txt', 'classes.txt', 'classes.py'];

/** ImageNet's classes, in order of their WordNet ids, as everywhere except in the development kit. */
export interface NamedClasses {
  readonly classes: readonly SourceClass[];
  readonly remarks: readonly string[];
}

/**
 * Names classes by the lists in these folders and by other known names.
 *
 * @param folders folders that may contain a list; the first one found is used
 * @param above where Kaggle's may be
 */
export async function nameClasses(
  tree: ImageTree,
  { folders, above = folders }: { readonly folders: readonly string[]; readonly above?: readonly string[] },
  ids: readonly string[],
  known: ReadonlyMap<string, string> = new Map(),
): Promise<NamedClasses> {
  const text = (await findText(tree, above, [kaggleFile])) ?? (await findText(tree, folders, nameFiles));
  // Hugging Face's list is Python: "n01440764": "tench, Tinca tinca",
  const lines = text?.replaceAll(/^\s*"(n\d+)": "(.*)",?\s*$/gm, '$1 $2');
  const names = lines === undefined ? known : namesOfLines(lines, new Set(ids));
  const unnamed = ids.filter((id) => !names.has(id));
  const readable = distinctNames(ids, (id) => names.get(id) ?? id);
  return {
    classes: ids.map((id, label) => ({ id, name: readable[label]! })),
    remarks:
      unnamed.length === 0
        ? []
        : [
            `${unnamed.length} of ${ids.length} classes ${unnamed.length === 1 ? 'is' : 'are'} named by ${unnamed.length === 1 ? 'its WordNet id' : 'their WordNet ids'}; LOC_synset_mapping.txt next to the images would give ${unnamed.length === 1 ? 'it a readable name' : 'them readable names'}.`,
          ],
  };
}

/** The text of the first of these files in one of these folders. */
export async function findText(
  tree: ImageTree,
  folders: readonly string[],
  files: readonly string[],
): Promise<string | undefined> {
  for (const path of folders.flatMap((folder) => files.map((file) => posix.join(folder, file)))) {
    const place = await tree.place(path);
    if (place) return textOf(readPlace(path, place));
  }
  return undefined;
}
