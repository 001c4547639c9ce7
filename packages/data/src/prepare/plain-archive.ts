import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { DataError } from '@alex/tensor';
import { contentKindOf, headBytes, inWords, tarArchive } from '../content-kind.js';
import { errorCode, readError, reason, writeError } from '../files.js';
import { checkFreeSpace, gigabytes } from '../free-space.js';
import type { SourceContext } from './source.js';

/** The first bytes of a file. */
export async function headOf(file: string): Promise<Buffer> {
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw readError(file, error);
  }
}

/**
 * Whether a file is compressed by gzip. Its name does not tell: some programs unpack downloads and keep their names, or the other
 * way round.
 */
export async function isGzipped(file: string): Promise<boolean> {
  return startsGzipped(await headOf(file));
}

const startsGzipped = (head: Buffer) => head[0] === 0x1f && head[1] === 0x8b;

/**
 * A stream that reads an archive, and unpacks it if it is gzipped; the start of a pipeline.
 *
 * @throws DataError that says what it is, if it is not an archive.
 */
export async function readingStreams(archive: string): Promise<(NodeJS.ReadableStream | NodeJS.ReadWriteStream)[]> {
  const head = await headOf(archive);
  const isPacked = startsGzipped(head);
  if (!isPacked && (contentKindOf(head)?.is ?? tarArchive) !== tarArchive) {
    throw new DataError(`${archive} is not a tar archive: ${inWords(head, '', 'get it again')}`);
  }
  return [createReadStream(archive), ...(isPacked ? [createGunzip()] : [])];
}

/**
 * Archives with random access: gzipped ones are unpacked into the scratch folder, only once, even if the preparation is stopped
 * in between.
 *
 * @returns the locations of the uncompressed archives, in the same order
 * @throws DataError if one is truncated or not an archive, or there is not enough space for all of them.
 */
export async function plainArchives(archives: readonly string[], context: SourceContext): Promise<string[]> {
  const found: { archive: string; plain: string; bytes: number }[] = [];
  for (const archive of archives) {
    const target = (await isGzipped(archive)) ? await targetOf(archive, context) : undefined;
    if (target === undefined || (await stat(target).catch(() => undefined))) {
      found.push({ archive, plain: target ?? archive, bytes: 0 });
    } else found.push({ archive, plain: target, bytes: await unpackedBytes(archive) });
  }
  const packed = found.filter(({ bytes }) => bytes > 0);
  const needed = packed.reduce((sum, { bytes }) => sum + bytes, 0);
  if (packed.length > 0) {
    const what = packed.length === 1 ? basename(packed[0]!.archive) : `${packed.length} archives`;
    await checkFreeSpace(await context.scratch(), needed, `Unpacking ${what}`);
    context.say(
      `${packed.length === 1 ? `${what} is compressed: it is` : `${what} are compressed: they are`} unpacked first, which needs at least ${gigabytes(needed)}.`,
    );
  }
  for (const { archive, plain } of packed) await unpack(archive, plain, context);
  return found.map(({ plain }) => plain);
}

/** Where an archive is unpacked to: different files of the same name get different locations. */
async function targetOf(archive: string, { scratch }: SourceContext): Promise<string> {
  const { size, mtimeMs } = await stat(archive);
  const hash = createHash('sha256')
    .update(`${resolve(archive)}\0${size}\0${mtimeMs}`)
    .digest('hex');
  return join(await scratch(), `${hash.slice(0, 16)}.tar`);
}

/**
 * A lower bound of an archive's unpacked length: images cannot be compressed any further, and the file ends with the length
 * modulo 2^32.
 */
async function unpackedBytes(archive: string): Promise<number> {
  const { size } = await stat(archive);
  const file = await open(archive);
  try {
    const end = Buffer.alloc(4);
    await file.read(end, 0, 4, Math.max(0, size - 4));
    const known = end.readUInt32LE(0);
    // In a truncated archive, this may be any number.
    return size < 2 ** 30 && known < 1000 * size ? Math.max(size, known) : size;
  } finally {
    await file.close();
  }
}

async function unpack(archive: string, target: string, { signal }: SourceContext): Promise<void> {
  const unfinished = `${target}.unfinished`;
  try {
    await pipeline(createReadStream(archive), createGunzip(), createWriteStream(unfinished), signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    if (isReadError(error)) throw readError(archive, error);
    if (!/^Z_/.test(errorCode(error) ?? '')) throw writeError(unfinished, error);
    throw new DataError(`${archive} cannot be unpacked: ${reason(error)}; get it again`, { cause: error });
  }
  await rename(unfinished, target);
}

const isReadError = (error: unknown) => error instanceof Error && 'syscall' in error && error.syscall === 'read';
