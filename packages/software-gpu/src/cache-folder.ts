import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** The folders that may hold unpacked drivers, the preferred one first. */
export function cacheFolders(environment: NodeJS.ProcessEnv = process.env): string[] {
  const cache = environment['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  // A folder that every user can write to is shared ground: each user gets a folder of their own in it.
  return [join(cache, 'alex'), join(tmpdir(), `alex-${userInfo().uid}`)];
}
