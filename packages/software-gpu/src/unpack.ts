import { createReadStream } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { extract } from 'tar-stream';
import { isTrusted, ownFolder } from './cache-folder.js';

/** What to unpack from which archive, and the name of the target folder. */
export interface Unpacking {
  /** Path of a tar archive, compressed with brotli. */
  readonly archive: string;
  /** Names of the wanted files in the archive. */
  readonly files: readonly string[];
  /** Name of the target folder. It contains the version, because a complete folder is never written again. */
  readonly name: string;
}

/** Written last: the sizes of the files. A folder without it, or with files of other sizes, is incomplete. */
const contents = 'contents.json';

const partPrefix = '.part-';
const partLifetimeMilliseconds = 3_600_000;

/**
 * Returns the folder with the unpacked files, from the first cache folder that has a complete one, or else in the first
 * writable one. Files are unpacked in a temporary folder, which is then renamed, so that other processes see either
 * nothing or everything.
 *
 * Throws an `Error` with the reason for every cache folder.
 */
export async function unpacked(what: Unpacking, cacheFolders: readonly string[]): Promise<string> {
  for (const cache of cacheFolders) {
    if (await isWhole(cache, what)) return join(cache, what.name);
  }
  const problems: string[] = [];
  for (const cache of cacheFolders) {
    try {
      return await unpackInto(cache, what);
    } catch (error) {
      problems.push(`${cache}: ${(error as Error).message}`);
    }
  }
  throw new Error(`no folder could be filled (${problems.join('; ')})`);
}

async function isWhole(cache: string, { name, files }: Unpacking): Promise<boolean> {
  try {
    const folder = join(cache, name);
    if (!(await isTrusted(cache)) || !(await isTrusted(folder))) return false;
    const sizes = new Map(Object.entries(JSON.parse(await readFile(join(folder, contents), 'utf8'))));
    for (const file of files) {
      if ((await stat(join(folder, file))).size !== sizes.get(file)) return false;
    }
    return true;
  } catch {
    return false;
  }
}

async function unpackInto(cache: string, what: Unpacking): Promise<string> {
  await ownFolder(cache);
  if (!(await isTrusted(cache))) throw new Error('it belongs to another user or others may write to it');
  await removeOldParts(cache);
  const part = await mkdtemp(join(cache, partPrefix));
  try {
    await extractFiles(what, part);
    await moveInto(part, cache, what);
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return join(cache, what.name);
}

async function extractFiles({ archive, files }: Unpacking, folder: string): Promise<void> {
  const sizes: Record<string, number> = {};
  const tar = extract();
  const writing = (async () => {
    for await (const entry of tar) {
      const name = basename(entry.header.name);
      if (!files.includes(name)) {
        entry.resume();
        continue;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      const bytes = Buffer.concat(chunks);
      await writeDurably(join(folder, name), bytes);
      sizes[name] = bytes.length;
    }
  })();
  await Promise.all([pipeline(createReadStream(archive), createBrotliDecompress(), tar), writing]);
  const missing = files.filter((file) => sizes[file] === undefined);
  if (missing.length > 0) throw new Error(`${archive} does not contain ${missing.join(', ')}`);
  await writeDurably(join(folder, contents), Buffer.from(JSON.stringify(sizes)));
}

/** Flushed to disk before the folder gets its name: a power failure must not leave a named folder with empty files. */
async function writeDurably(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function moveInto(part: string, cache: string, what: Unpacking): Promise<void> {
  const target = join(cache, what.name);
  try {
    await rename(part, target);
  } catch (error) {
    // Another process was faster, or an incomplete folder is in the way.
    if (await isWhole(cache, what)) return;
    const torn = await mkdtemp(join(cache, partPrefix));
    await rename(target, join(torn, what.name)).catch(() => {
      throw error;
    });
    await rename(part, target);
    await rm(torn, { recursive: true, force: true });
  }
}

/** Left behind by processes that were killed while unpacking. */
async function removeOldParts(cache: string): Promise<void> {
  for (const entry of await readdir(cache)) {
    if (!entry.startsWith(partPrefix)) continue;
    const path = join(cache, entry);
    const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (age > partLifetimeMilliseconds) await rm(path, { recursive: true, force: true });
  }
}
