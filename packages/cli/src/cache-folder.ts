import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/**
 * The folder for data that can be measured or created again: `ALEX_CACHE`, or `alex` in the system's cache folder.
 * Undefined if there is none.
 */
export function cacheFolder(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  const { ALEX_CACHE: own, XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = environment;
  if (own) return resolve(own);
  const home = homeFolder();
  const caches = {
    win32: local || join(home, 'AppData', 'Local'),
    darwin: join(home, 'Library', 'Caches'),
    // The XDG base directory specification says to ignore relative paths.
    others: xdg && isAbsolute(xdg) ? xdg : join(home, '.cache'),
  };
  const folder = platform === 'win32' || platform === 'darwin' ? caches[platform] : caches.others;
  return isAbsolute(folder) ? join(folder, 'alex') : undefined;
}

function homeFolder(): string {
  try {
    return homedir();
  } catch {
    // There is no HOME, and no entry in the user database.
    return '';
  }
}
