import { mkdir, stat } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * The folders that may hold what was unpacked, the preferred one first: `$XDG_CACHE_HOME/alex` or `~/.cache/alex`, then a
 * folder of this user's own below the system's folder for temporary files.
 */
export function cacheFolders(environment: NodeJS.ProcessEnv = process.env): string[] {
  const { XDG_CACHE_HOME: cacheHome } = environment;
  const folders: string[] = [];
  if (cacheHome) folders.push(join(cacheHome, 'alex'));
  else {
    try {
      folders.push(join(homedir(), '.cache', 'alex'));
    } catch {
      // A user without an entry in the user database and without HOME has no home folder.
    }
  }
  folders.push(join(tmpdir(), `alex-${userId()}`));
  return folders;
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
