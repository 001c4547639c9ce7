import { isUtf8 } from 'node:buffer';
import { lstatSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DataError } from '@alex/tensor';
import { textOf } from './text.js';

/** The operating system's error text, without the call and the path that Node adds to it. */
export function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split(', ')[0]!.split('\n')[0]!;
}

/** The system's name of a file error, such as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}

/** Writes a file atomically: to a temporary file next to it, flushed to disk, then renamed. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const unfinished = `${path}.unfinished`;
  try {
    const file = await open(unfinished, 'w');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    throw writeError(path, error);
  }
}

/**
 * Creates a folder and its missing parents; an existing folder is fine. (Node's own recursive `mkdir` never returns on
 * file systems that cannot create folders, such as /proc.)
 */
export async function makeFolder(folder: string): Promise<void> {
  const make = async (path: string): Promise<void> => {
    try {
      await mkdir(path);
    } catch (error) {
      const parent = dirname(path);
      if (errorCode(error) === 'EEXIST' && (await stat(path)).isDirectory()) return;
      if (errorCode(error) !== 'ENOENT' || parent === path) throw error;
      await make(parent);
      await mkdir(path);
    }
  };
  try {
    await make(resolve(folder));
  } catch (error) {
    throw writeError(folder, error);
  }
}

/** A new name reaches the disk only with its folder. Some systems cannot sync a folder, which does no harm. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** A write error, in words. */
export function writeError(path: string, error: unknown): DataError {
  if (error instanceof DataError) return error;
  const full = ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(errorCode(error) ?? '');
  const why = full ? 'no space is left on the disk; free some space' : `${reason(error)}; check the path`;
  return new DataError(`${path} could not be written: ${why}`, { cause: error });
}

/** Names of the folders and files directly in a folder, sorted, each in one list; links are followed. */
export interface FolderContent {
  folders: string[];
  files: string[];
  /** Files and folders that begin with a dot, or that operating systems create for themselves. */
  hidden: string[];
  /** Names that are not valid UTF-8, with their bytes as `\xe9`: they cannot be opened. */
  notUtf8: string[];
  /** Broken links, and links in a circle. */
  deadLinks: string[];
  /** Pipes, sockets and devices. */
  special: string[];
}

/** Whether a path is an address: data are read from the disk. */
export const isAddress = (path: string) => /^([a-z][a-z0-9+.-]+:\/\/|pipe:)/i.test(path);

/** Whether a name is that of a hidden file or folder, or of one that operating systems create for themselves. */
export const isHidden = (name: string) => name.startsWith('.') || systemNames.includes(name);

/** Folders that macOS, Synology's disks, Linux and Windows create. */
const systemNames: readonly string[] = [
  '__MACOSX',
  '@eaDir',
  'lost+found',
  '$RECYCLE.BIN',
  'System Volume Information',
  'Thumbs.db',
  'desktop.ini',
];

/** Its files, and the broken links, which are reported when they are read. */
export const filesAndLinks = ({ files, deadLinks }: FolderContent) => [...files, ...deadLinks].sort();

/** Why a link cannot be followed, in words; undefined if the file is not a link, or the error is another. */
export function deadLink(file: string, error: unknown): string | undefined {
  const code = errorCode(error) ?? '';
  if (!['ENOENT', 'ELOOP'].includes(code)) return undefined;
  const isLink = lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink();
  return isLink ? `a link that leads ${code === 'ELOOP' ? 'in a circle' : 'nowhere'}` : undefined;
}

/** An error in reading, in words. */
export function readError(file: string, error: unknown): DataError {
  if (error instanceof DataError) return error;
  const link = deadLink(file, error);
  const text = link ? `${file} is ${link}: repair or remove it` : `cannot read ${file}: ${reason(error)}`;
  return new DataError(text, { cause: error });
}

/** The error for a path without a file or folder. */
export function missing(what: string, path: string, error?: unknown): DataError {
  const advice = isAddress(path) ? 'data are read from the disk, download them first' : 'check the path';
  return new DataError(`there is no ${what} ${path}: ${advice}`, { cause: error });
}

/** Lists a folder, or throws a `DataError` that names it. */
export async function listFolder(folder: string): Promise<FolderContent> {
  try {
    const content: FolderContent = { folders: [], files: [], hidden: [], notUtf8: [], deadLinks: [], special: [] };
    for (const entry of await readdir(folder, { withFileTypes: true, encoding: 'buffer' })) {
      const name = entry.name.toString('utf8');
      if (!isUtf8(entry.name)) content.notUtf8.push(inAscii(entry.name));
      else if (isHidden(name)) content.hidden.push(name);
      else {
        const isLink = entry.isSymbolicLink();
        const kind = isLink ? await stat(join(folder, name)).catch(() => undefined) : entry;
        if (!kind) content.deadLinks.push(name);
        else if (kind.isDirectory()) content.folders.push(name);
        else if (kind.isFile()) content.files.push(name);
        else content.special.push(name);
      }
    }
    // By code unit, not by locale: labels must be the same on every machine.
    for (const names of Object.values(content) as string[][]) names.sort();
    return content;
  } catch (error) {
    if (error instanceof DataError) throw error;
    if (deadLink(folder, error)) throw readError(folder, error);
    if (isMissing(error)) throw missing('folder', folder, error);
    if (errorCode(error) === 'ENOTDIR') {
      throw new DataError(`${folder} is not a folder: unpack it if it is an archive, or check the path`, {
        cause: error,
      });
    }
    throw new DataError(`cannot read the folder ${folder}: ${reason(error)}`, { cause: error });
  }
}

function inAscii(name: Buffer): string {
  return name
    .toString('latin1')
    .replaceAll(/[^ -~]/g, (letter) => `\\x${letter.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Reads a whole file, or throws a `DataError` that names it and says what to do. */
export async function readWhole(file: string, remedy: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    if (isMissing(error) && !deadLink(file, error)) {
      throw new DataError(`${file} is missing: ${remedy}`, { cause: error });
    }
    throw readError(file, error);
  }
}

/** Reads a text file, or returns `undefined` if there is none. */
export async function readTextIfPresent(file: string): Promise<string | undefined> {
  try {
    return textOf(await readFile(file));
  } catch (error) {
    if (isMissing(error) && !deadLink(file, error)) return undefined;
    throw readError(file, error);
  }
}
