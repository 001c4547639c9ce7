import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ConfigError } from '@alex/tensor';
import { describeFileError, errorCode } from './file.js';

/** The names in a directory; empty if it does not exist. */
export async function list(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw new ConfigError(`${path}: cannot be a run directory: ${describeFileError(error)}`, { cause: error });
  }
}

/** Creates a directory and its missing parents; returns the created ones, from the lowest upwards. */
export async function makeDirectory(path: string): Promise<string[]> {
  const made: string[] = [];
  try {
    // Not mkdir's own `recursive`, which in Node 20 never returns if a file system refuses new directories (/proc).
    for (const directory of await missingDirectories(path)) {
      await mkdir(directory);
      made.unshift(directory);
    }
  } catch (error) {
    for (const directory of made) await rmdir(directory).catch(() => undefined);
    throw new ConfigError(`${path}: the run directory could not be created: ${describeFileError(error)}`, {
      cause: error,
    });
  }
  return made;
}

/**
 * Finds out whether a directory can be created, or written if it is there. Nothing is left behind.
 *
 * @throws ConfigError if not
 */
export async function tryDirectory(path: string): Promise<void> {
  const made = await makeDirectory(path);
  const probe = join(path, `${randomUUID()}.tmp`);
  try {
    await writeFile(probe, '', { flag: 'wx' });
  } catch (error) {
    throw new ConfigError(`${path}: the run directory cannot be written: ${describeFileError(error)}`, {
      cause: error,
    });
  } finally {
    await rm(probe, { force: true }).catch(() => undefined);
    for (const directory of made) await rmdir(directory).catch(() => undefined);
  }
}

/** A directory and its parents, as far as they do not exist, from the highest downwards. */
async function missingDirectories(path: string): Promise<string[]> {
  const missing: string[] = [];
  for (let directory = resolve(path); ; directory = dirname(directory)) {
    const there = await stat(directory).then(
      () => true,
      () => false,
    );
    if (there) return missing;
    missing.unshift(directory);
  }
}
