import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/**
 * The folder for what can be measured or made again: `ALEX_CACHE`, or `alex` where the system keeps such things. Nothing
 * where there is no such place.
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
    // A relative path is to be ignored, says the XDG base directory specification.
    others: xdg && isAbsolute(xdg) ? xdg : join(home, '.cache'),
  };
  const folder = platform === 'win32' || platform === 'darwin' ? caches[platform] : caches.others;
  return isAbsolute(folder) ? join(folder, 'alex') : undefined;
}

function homeFolder(): string {
  try {
    return homedir();
  } catch {
    // No HOME, and no entry in the user database.
    return '';
  }
}
