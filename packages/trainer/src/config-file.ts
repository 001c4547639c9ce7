import { access, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, ConfigError } from '@alex/tensor';
import { parseRunConfig, type RunConfig } from './config.js';
import { list } from './directories.js';
import { describeFileError, errorCode, unfinished, writeAll, writeNew, writeWhole } from './file.js';

/** The file by which a directory is known to hold a run. */
export const CONFIG = 'config.json';

/** @throws ConfigError if there is no run, CheckpointError if its `config.json` is truncated or of another format */
export async function readConfig(directory: string): Promise<RunConfig> {
  const file = join(directory, CONFIG);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') {
      throw new ConfigError(`${directory}: there is no run here (no ${CONFIG}); give the directory of a run`);
    }
    throw new CheckpointError(`${file}: could not be read: ${describeFileError(error)}`, { cause: error });
  }
  return parseRunConfig(file, text);
}

/** Whether the directory of a run is there, with its configuration. */
export function hasConfig(directory: string): Promise<boolean> {
  return access(join(directory, CONFIG)).then(
    () => true,
    (error: unknown) => errorCode(error) !== 'ENOENT',
  );
}

/** Writes the configuration of a new run. Of several processes that try it at the same time, one succeeds; the others get `EEXIST`. */
export function createConfig(directory: string, config: RunConfig): Promise<void> {
  return writeNew(join(directory, CONFIG), textOf(config));
}

/** Replaces the configuration of a run, whole or not at all. */
export function replaceConfig(directory: string, config: RunConfig): Promise<void> {
  return writeWhole(join(directory, CONFIG), (file) => writeAll(file, textOf(config)));
}

/** Whether a file is a configuration that is being written, or whose writer was killed. */
export function isUnfinishedConfig(name: string): boolean {
  return name.startsWith(CONFIG) && name.endsWith(unfinished);
}

/** Removes what killed writers left behind. Only for the process that holds the lock of the run. */
export async function removeUnfinishedConfigs(directory: string): Promise<void> {
  for (const name of (await list(directory)).filter(isUnfinishedConfig)) {
    await rm(join(directory, name), { force: true }).catch(() => undefined);
  }
}

function textOf(config: RunConfig): Buffer {
  return Buffer.from(`${JSON.stringify(config, undefined, 2)}\n`);
}
