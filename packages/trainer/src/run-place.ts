import { mkdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AlexError, ConfigError } from '@alex/tensor';
import type { RunConfig } from './config.js';
import { CONFIG, createConfig, isUnfinishedConfig } from './config-file.js';
import { list, makeDirectory } from './directories.js';
import { describeFileError, errorCode } from './file.js';
import { isLockFile } from './lock-file.js';
import { CHECKPOINTS } from './run-files.js';

/**
 * Makes the directory of a run with its configuration, and nothing if it fails.
 *
 * @returns the directories that were created, from the run's own upwards
 * @throws ConfigError if another process begins a run there at the same time; AlexError where it cannot be written
 */
export async function makeRun(path: string, config: RunConfig): Promise<string[]> {
  const made = await makeDirectory(path);
  let isOurs = false;
  try {
    await createConfig(path, config);
    isOurs = true;
    await mkdir(join(path, CHECKPOINTS), { recursive: true });
    return made;
  } catch (error) {
    // Another process was faster: what is there is its own.
    if (errorCode(error) === 'EEXIST' && !isOurs) throw notEmpty(path, error);
    if (isOurs) await rm(join(path, CONFIG), { force: true }).catch(() => undefined);
    for (const directory of made) await rmdir(directory).catch(() => undefined);
    throw new AlexError(`${path}: the run could not be started: ${describeFileError(error)}`, { cause: error });
  }
}

/** @throws ConfigError if a directory contains anything, apart from what passes */
export async function checkEmpty(path: string): Promise<void> {
  if ((await list(path)).some((name) => !isPassing(name))) throw notEmpty(path);
}

function notEmpty(path: string, cause?: unknown): ConfigError {
  return new ConfigError(`${path}: this directory is not empty; resume its run with --resume, or choose another`, {
    cause,
  });
}

/** Whether a file exists only while a process creates the run or trains it, or was left behind by a process that was killed. */
export function isPassing(name: string): boolean {
  return isLockFile(name) || isUnfinishedConfig(name);
}
