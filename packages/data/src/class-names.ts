import { join } from 'node:path';
import { readTextIfPresent } from './files.js';

/** Files that may lie beside the class folders: a line is a folder's name, a space, and what people call it. */
const nameFiles = ['classes.txt', 'synset_words.txt'];

/** Readable names for class folders, as `distinctNames` has them. A folder that no file names keeps its own name. */
export async function readClassNames(directory: string, folders: readonly string[]): Promise<string[]> {
  const known = new Map<string, string>();
  for (const nameFile of nameFiles) {
    const text = (await readTextIfPresent(join(directory, nameFile))) ?? '';
    for (const line of text.split('\n')) {
      const [, folder, names] = /^(\S+)\s+(.*\S)\s*$/.exec(line) ?? [];
      if (folder !== undefined && names !== undefined && !known.has(folder)) known.set(folder, names);
    }
  }
  return distinctNames(folders, (folder) => known.get(folder) ?? folder);
}

/**
 * One readable name for each class, all different. Of several names (`tench, Tinca tinca`) the first is taken; where
 * two classes would be called alike (ImageNet has two kinds of crane), their ids are added.
 */
export function distinctNames(ids: readonly string[], namesOf: (id: string) => string): string[] {
  const names = ids.map((id) => namesOf(id).split(',')[0]!.trim() || id);
  const uses = new Map<string, number>();
  for (const name of names) uses.set(name, (uses.get(name) ?? 0) + 1);
  return names.map((name, i) => (uses.get(name)! > 1 ? `${name} (${ids[i]})` : name));
}
