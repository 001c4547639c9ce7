import { mkdir, stat } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * Folders for the unpacked files, the preferred one first: `$XDG_CACHE_HOME/alex` or `~/.cache/alex`, then this user's
 * own folder in the system's temporary folder.
 */
export function cacheFolders(environment: NodeJS.ProcessEnv = process.env): string[] {
  const { XDG_CACHE_HOME: cacheHome } = environment;
  const caches = cacheHome ? cacheHome : join(homeFolder(), '.cache');
  // The XDG base directory specification says to ignore relative paths; without a home folder, this is one too.
  return [...(isAbsolute(caches) ? [join(caches, 'alex')] : []), join(tmpdir(), `alex-${userId()}`)];
}

function homeFolder(): string {
  try {
    return homedir();
  } catch {
    // There is no HOME, and no entry in the user database.
    return '';
  }
}

/** Creates the folder if it is missing, accessible only to its owner. */
export async function ownFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
}

/**
 * Whether this process can trust the folder's contents. It loads libraries from there, and anybody could have created a
 * folder of that name in the system's temporary folder.
 */
export async function isTrusted(folder: string): Promise<boolean> {
  const { uid, mode } = await stat(folder);
  const writableByOthers = (mode & 0o002) !== 0;
  return (uid === userId() || uid === 0) && !writableByOthers;
}

function userId(): number {
  return process.getuid?.() ?? 0;
}
