import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { AlexError, ConfigError } from '@alex/tensor';

/** What a file is that somebody asked for. */
export interface Wanted {
  /** The endings that say what is written; none unless something else could be expected. */
  readonly endings?: readonly string[];
  /** Files that are read, and must not be written over. */
  readonly inputs?: readonly string[];
}

/**
 * Makes sure, before anything takes time, that a file which somebody asked for has a place to be written to, and that nothing
 * but an earlier file of its kind is lost by it.
 *
 * @param option how it was asked for
 * @throws ConfigError where there is no such folder, nobody may write there, or something else is there
 */
export async function checkPlace(
  option: string,
  path: string | undefined,
  { endings = [], inputs = [] }: Wanted = {},
): Promise<void> {
  if (path === undefined) return;
  const refuse = (why: string): never => {
    throw new ConfigError(`${option} ${path}: ${why}`);
  };
  const there = await stat(path).catch(() => undefined);
  if (there?.isDirectory() || /[/\\]$/.test(path)) refuse('is a folder; give the name of a file');
  if (endings.length > 0 && !endings.includes(extname(path).toLowerCase())) {
    refuse(`must end in ${endings.filter(Boolean).join(' or ')}, which is what is written`);
  }
  const folder = dirname(resolve(path));
  const kind = await stat(folder).catch(() => undefined);
  if (!kind?.isDirectory()) refuse(`there is no folder ${folder}; make it, or choose another place`);
  // Files are written beside their place and then renamed, which would take a device away.
  if (there && !there.isFile()) refuse('is a device or a pipe; give the name of a file');
  if (!(await isWritable(folder))) refuse(`this user may not write into ${folder}; choose another place`);
  if (!there) return;
  if (!(await isWritable(path))) refuse('this user may not write over this file; choose another place');
  for (const input of inputs) {
    const read = await stat(input).catch(() => undefined);
    if (read?.ino === there.ino && read.dev === there.dev) refuse('is a file that is read; choose another place');
  }
}

async function isWritable(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
}

/**
 * Writes an output file.
 *
 * @throws AlexError if it cannot be written, with the reason
 */
export async function writeResult(path: string, content: string | Uint8Array): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (error) {
    throw new AlexError(`${path}: could not be written: ${(error as Error).message}`, { cause: error });
  }
}
