import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '@alex/tensor';

/** What the operating system said, without the call and the path that Node repeats after it. */
export function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split(', ')[0]!.split('\n')[0]!;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** Names of the folders and files directly in a folder, sorted, without hidden ones; links are followed. */
export interface FolderContent {
  folders: string[];
  files: string[];
}

/** Lists a folder, or throws a `DataError` that names it. */
export async function listFolder(folder: string): Promise<FolderContent> {
  try {
    const content: FolderContent = { folders: [], files: [] };
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const kind = entry.isSymbolicLink() ? await stat(join(folder, entry.name)).catch(() => entry) : entry;
      if (kind.isDirectory()) content.folders.push(entry.name);
      else if (kind.isFile()) content.files.push(entry.name);
    }
    // By code unit, not by locale: labels must be the same on every machine.
    content.folders.sort();
    content.files.sort();
    return content;
  } catch (error) {
    if (isMissing(error)) throw new DataError(`there is no folder ${folder}: check the path`, { cause: error });
    throw new DataError(`cannot read the folder ${folder}: ${reason(error)}`, { cause: error });
  }
}

/** Reads a whole file, or throws a `DataError` that names it and says what to do. */
export async function readWhole(file: string, remedy: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    if (isMissing(error)) throw new DataError(`${file} is missing: ${remedy}`, { cause: error });
    throw new DataError(`cannot read ${file}: ${reason(error)}`, { cause: error });
  }
}

/** Reads a text file, or gives `undefined` where there is none. */
export async function readTextIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new DataError(`cannot read ${file}: ${reason(error)}`, { cause: error });
  }
}
