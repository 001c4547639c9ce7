import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { AlexError, ConfigError } from '@alex/tensor';

/**
 * Checks, before anything takes time, that a requested file can be written.
 *
 * @param option the option that requested it
 * @throws ConfigError if there is no such folder, or it is not writable
 */
export async function checkPlace(option: string, path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const refuse = (why: string): never => {
    throw new ConfigError(`${option} ${path}: ${why}`);
  };
  const folder = dirname(resolve(path));
  const kind = await stat(folder).catch(() => undefined);
  if (!kind?.isDirectory()) refuse(`there is no folder ${folder}; create it, or choose another one`);
  if ((await stat(path).catch(() => undefined))?.isDirectory()) refuse('is a folder; give the name of a file');
  const writable = await access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!writable) refuse(`this user may not write into ${folder}; choose another folder`);
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
