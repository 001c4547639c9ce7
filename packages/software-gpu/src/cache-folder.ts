import { mkdir, stat } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * The folders that may hold what was unpacked, the preferred one first: `$XDG_CACHE_HOME/alex` or `~/.cache/alex`, then a
 * folder of this user's own below the system's folder for temporary files.
 */
export function cacheFolders(environment: NodeJS.ProcessEnv = process.env): string[] {
  const { XDG_CACHE_HOME: cacheHome } = environment;
  const caches = cacheHome ? cacheHome : join(homeFolder(), '.cache');
  // Relative paths are to be ignored, says the XDG base directory specification; without a home folder this is one, too.
  return [...(isAbsolute(caches) ? [join(caches, 'alex')] : []), join(tmpdir(), `alex-${userId()}`)];
}

function homeFolder(): string {
  try {
    return homedir();
  } catch {
    // No HOME, and no entry in the user database.
    return '';
  }
}

/** Makes the folder where it is missing, for its owner only. */
export async function ownFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
}

/**
 * Whether what lies in the folder can be trusted with this process: libraries are loaded from it, and below the system's
 * folder for temporary files anybody could have made a folder of that name.
 */
export async function isTrusted(folder: string): Promise<boolean> {
  const { uid, mode } = await stat(folder);
  const writableByOthers = (mode & 0o002) !== 0;
  return (uid === userId() || uid === 0) && !writableByOthers;
}

function userId(): number {
  return process.getuid?.() ?? 0;
}
