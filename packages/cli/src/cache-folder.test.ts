import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it, vi } from 'vitest';
import { cacheFolder } from './cache-folder.js';

it("is the system's cache folder", () => {
  expect(cacheFolder({}, 'linux')).toBe(join(homedir(), '.cache', 'alex'));
  expect(cacheFolder({ XDG_CACHE_HOME: '/caches' }, 'linux')).toBe(join('/caches', 'alex'));
  expect(cacheFolder({ XDG_CACHE_HOME: 'relative' }, 'linux')).toBe(join(homedir(), '.cache', 'alex'));
  expect(cacheFolder({ XDG_CACHE_HOME: '/caches' }, 'darwin')).toBe(join(homedir(), 'Library', 'Caches', 'alex'));
  expect(cacheFolder({ LOCALAPPDATA: '/local' }, 'win32')).toBe(join('/local', 'alex'));
  expect(cacheFolder({}, 'win32')).toBe(join(homedir(), 'AppData', 'Local', 'alex'));
});

it('is the folder in ALEX_CACHE', () => {
  expect(cacheFolder({ ALEX_CACHE: 'here', XDG_CACHE_HOME: '/caches' }, 'linux')).toBe(resolve('here'));
});

it.skipIf(process.platform === 'win32')('does not exist without a home folder', () => {
  vi.stubEnv('HOME', '');
  try {
    expect(cacheFolder({}, 'linux')).toBeUndefined();
  } finally {
    vi.unstubAllEnvs();
  }
});
