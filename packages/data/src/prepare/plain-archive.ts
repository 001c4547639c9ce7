import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { DataError } from '@alex/tensor';
import { errorCode, reason, writeError } from '../files.js';
import type { SourceContext } from './source.js';

/** Names of archives that `plainArchive` unpacks. */
export const isGzipped = (file: string) => /\.(gz|tgz)$/i.test(file);

/**
 * An archive in which files can be located: a gzipped one is first unpacked into the scratch folder, only once, however
 * often the preparation is stopped.
 *
 * @throws DataError if it is truncated or there is no room for it.
 */
export async function plainArchive(archive: string, { scratch, say, signal }: SourceContext): Promise<string> {
  if (!isGzipped(archive)) return archive;
  const { size, mtimeMs } = await stat(archive).catch((error: unknown) => {
    throw new DataError(`cannot read ${archive}: ${reason(error)}`, { cause: error });
  });
  const key = createHash('sha256')
    .update(`${resolve(archive)}\0${size}\0${mtimeMs}`)
    .digest('hex')
    .slice(0, 16);
  const target = join(await scratch(), `${key}.tar`);
  if (await stat(target).catch(() => undefined)) return target;
  const gigabytes = (size / 1e9).toLocaleString('en-US', { maximumFractionDigits: 1 });
  say(`${basename(archive)} is compressed: it is unpacked first, which needs at least ${gigabytes} GB.`);
  const unfinished = `${target}.unfinished`;
  try {
    await pipeline(createReadStream(archive), createGunzip(), createWriteStream(unfinished), signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    if (!/^Z_/.test(errorCode(error) ?? '')) throw writeError(unfinished, error);
    throw new DataError(`${archive} cannot be unpacked: ${reason(error)}; get it again`, { cause: error });
  }
  await rename(unfinished, target);
  return target;
}
