import { join } from 'node:path';
import { readTextIfPresent } from './files.js';

/** Files that may be next to the class folders: each line is a folder's name, a space or tab, and a readable name. */
const nameFiles = ['classes.txt', 'synset_words.txt'];

/** A WordNet id. Its names are separated by commas; in names of other classes, a comma is part of the name. */
const wordNetId = /^n\d+$/;

/**
 * Readable names for class folders, all different, as in `distinctNames`. A folder that is in no file keeps its own
 * name.
 */
export async function readClassNames(
  directory: string,
  folders: readonly string[],
): Promise<{ names: string[]; remarks: string[] }> {
  const known = new Map<string, string>();
  const remarks: string[] = [];
  for (const nameFile of nameFiles) {
    const text = await readTextIfPresent(join(directory, nameFile));
    if (text === undefined) continue;
    const named = namesOfLines(text, new Set(folders));
    for (const [folder, name] of named) if (!known.has(folder)) known.set(folder, name);
    if (named.size === 0) {
      remarks.push(`${nameFile} has none of the class folders: each line must be a folder's name and a readable name.`);
    }
  }
  return { names: distinctNames(folders, (folder) => known.get(folder) ?? folder), remarks };
}

/** The names of these ids, from lines of an id, a space or tab, and a name. Ids and names may contain spaces. */
export function namesOfLines(text: string, ids: ReadonlySet<string>): Map<string, string> {
  const names = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const composed = line.normalize('NFC');
    // A folder called `hot dog` is not `hot`, so the longest matching id applies.
    for (let end = composed.length - 1; end > 0; end--) {
      if (!/\s/.test(composed[end]!)) continue;
      const [id, name] = [composed.slice(0, end), composed.slice(end).trim()];
      if (!ids.has(id) || name === '') continue;
      if (!names.has(id)) names.set(id, name);
      break;
    }
  }
  return names;
}

/**
 * One readable name for each class, all different. Of several names of a WordNet id (`tench, Tinca tinca`), the first
 * is used. If two classes would have the same name (ImageNet has two kinds of crane), their ids are added.
 */
export function distinctNames(ids: readonly string[], namesOf: (id: string) => string): string[] {
  const names = ids.map((id) => (wordNetId.test(id) ? namesOf(id).split(',')[0]!.trim() || id : namesOf(id)));
  const withIds = names.map((name, i) => `${name} (${ids[i]})`);
  const uses = new Map<string, number>();
  for (const name of names) uses.set(name, (uses.get(name) ?? 0) + 1);
  const distinct = names.map((name, i) => (uses.get(name)! > 1 ? withIds[i]! : name));
  // The name of a class may equal that of another one with its id.
  return new Set(distinct).size === distinct.length ? distinct : withIds;
}
