import { join } from 'node:path';
import { readTextIfPresent } from './files.js';

/** Files that may lie beside the class folders: a line is a folder's name, a space, and what people call it. */
const nameFiles = ['classes.txt', 'synset_words.txt'];

/**
 * Readable names for class folders, all different. Of several names (`tench, Tinca tinca`) the first is taken; where
 * two folders would be called alike (ImageNet has two kinds of crane), the folder is added. A folder that no file
 * names keeps its own name.
 */
export async function readClassNames(directory: string, folders: readonly string[]): Promise<string[]> {
  const known = new Map<string, string>();
  for (const nameFile of nameFiles) {
    const text = (await readTextIfPresent(join(directory, nameFile))) ?? '';
    for (const line of text.split('\n')) {
      const [, folder, names] = /^(\S+)\s+(.*\S)\s*$/.exec(line) ?? [];
      if (folder !== undefined && names !== undefined && !known.has(folder))
        known.set(folder, names.split(',')[0]!.trim());
    }
  }
  const names = folders.map((folder) => known.get(folder) || folder);
  const uses = new Map<string, number>();
  for (const name of names) uses.set(name, (uses.get(name) ?? 0) + 1);
  return names.map((name, i) => (uses.get(name)! > 1 ? `${name} (${folders[i]})` : name));
}
