import { join } from 'node:path';
import { DataError } from '@alex/tensor';
import { checkPath } from '../checks.js';
import { hasChecksum } from './checksum.js';
import { readManifest } from './manifest.js';

/**
 * Compares every file of a prepared data set with its checksum.
 *
 * @param onFile called with the number of files read, and their total
 * @throws DataError that lists the files that differ; ConfigError if no path is given.
 */
export async function verifyPrepared(
  directory: string,
  onFile: (done: number, of: number) => void = () => {},
): Promise<void> {
  checkPath('verifyPrepared', directory);
  const { splits, statistics } = await readManifest(directory);
  const files = [...Object.values(splits).flatMap(({ index, shards }) => [index, ...shards]), statistics.meanImage];
  const wrong: string[] = [];
  for (const [i, file] of files.entries()) {
    if (!(await hasChecksum(join(directory, file.file), file))) wrong.push(file.file);
    onFile(i + 1, files.length);
  }
  if (wrong.length === 0) return;
  throw new DataError(
    `${directory}: ${wrong.slice(0, 5).join(', ')}${wrong.length > 5 ? ` and ${wrong.length - 5} more` : ''} ` +
      'is not what was prepared (changed, truncated or missing): remove the folder and prepare the data again',
  );
}
