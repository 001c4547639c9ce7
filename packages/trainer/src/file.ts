import { randomUUID } from 'node:crypto';
import { constants, copyFile, type FileHandle, link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Added to the name of a file while it is being written. */
export const unfinished = '.tmp';

/** Writes a file atomically: to a temporary file next to it, flushed to disk, then renamed. */
export async function writeWhole(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = path + unfinished;
  try {
    const file = await open(temporary, 'w');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/**
 * Writes a new file atomically. Of several processes that try it at the same time, one succeeds.
 *
 * @throws the system's error: `EEXIST` if the file exists
 */
export async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}${unfinished}`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await writeAll(file, bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    // Unlike a rename, a hard link never replaces a file. A copy does not either, on file systems without hard links.
    await link(temporary, path).catch((error: unknown) => {
      if (errorCode(error) === 'EEXIST') throw error;
      return copyFile(temporary, path, constants.COPYFILE_EXCL);
    });
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
  await syncDirectory(dirname(path));
}

/** Gives a file a second name, or copies it if the file system has no hard links. Replaces any file of that name. */
export async function linkWhole(from: string, to: string): Promise<void> {
  const temporary = to + unfinished;
  await rm(temporary, { force: true });
  try {
    await link(from, temporary).catch(() => copyFile(from, temporary));
    await rename(temporary, to);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(to));
}

/** The rename itself reaches the disk only with its directory. Some systems cannot sync a directory: no harm done. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(() => undefined);
  await directory?.sync().catch(() => undefined);
  await directory?.close();
}

/** Writes all `bytes`, at `position` or after the last write: the system may split a write. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position?: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const at = position === undefined ? null : position + written;
    written += (await file.write(bytes, written, bytes.length - written, at)).bytesWritten;
  }
}

/** Fills `bytes` from `position` on; returns false if the file ends before. */
export async function readAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<boolean> {
  for (let read = 0; read < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, read, bytes.length - read, position + read);
    if (bytesRead === 0) return false;
    read += bytesRead;
  }
  return true;
}

/** What went wrong with a file, and what to do about it, in words. */
export function describeFileError(error: unknown): string {
  switch (errorCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return 'no space is left on the disk; free some space or choose a directory on another disk';
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return 'this user may not write there; change its permissions or choose another directory';
    case 'ENOENT':
      return 'there is no such file or directory; check the path';
    case 'ENOTDIR':
    case 'EEXIST':
      return 'a part of the path is a file, not a directory; choose another path';
    case 'ENAMETOOLONG':
      return 'a name in the path is too long; choose a shorter one';
    case 'ELOOP':
      return 'its symbolic links lead to each other; check the path';
    case 'EISDIR':
      return 'this is a directory, not a file; check the path';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

/** The system's name of a file error, such as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
