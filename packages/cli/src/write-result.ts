import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { AlexError, ConfigError } from '@alex/tensor';

/** What kind of file is requested. */
export interface Wanted {
  /** The endings that say what is written; none unless something else could be expected. */
  readonly endings?: readonly string[];
  /** Files that are read, and must not be written over. */
  readonly inputs?: readonly string[];
}

/**
 * Checks, before anything takes time, that a requested file can be written, and that this overwrites nothing but an
 * earlier file of its kind.
 *
 * @param option the option that requested it
 * @throws ConfigError if there is no such folder, it is not writable, or something else has this name
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
  if (!kind?.isDirectory()) refuse(`there is no folder ${folder}; create it, or choose another one`);
  // Files are written under another name and then renamed, which would replace a device.
  if (there && !there.isFile()) refuse('is a device or a pipe; give the name of a file');
  if (!(await isWritable(folder))) refuse(`this user may not write into ${folder}; choose another folder`);
  if (!there) return;
  if (!(await isWritable(path))) refuse('this user may not overwrite this file; choose another name');
  for (const input of inputs) {
    const read = await stat(input).catch(() => undefined);
    if (read?.ino === there.ino && read.dev === there.dev) refuse('is an input of this command; choose another name');
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
