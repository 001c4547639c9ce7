import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { cacheFolders } from './cache-folder.js';

describe('cacheFolders', () => {
  it("puts the user's cache folder first, and a private folder in the temporary one last", () => {
    const [first, last] = cacheFolders({ XDG_CACHE_HOME: '/somewhere/cache' });
    expect(first).toBe('/somewhere/cache/alex');
    expect(last).toMatch(new RegExp(`^${tmpdir()}/alex-\\d+$`));
    expect(cacheFolders({})[0]).toBe(join(homedir(), '.cache', 'alex'));
  });

  it('ignores a relative path, and does without a home folder', () => {
    expect(cacheFolders({ XDG_CACHE_HOME: 'cache' })).toEqual([expect.stringMatching(/alex-\d+$/)]);
    vi.stubEnv('HOME', '');
    try {
      expect(cacheFolders({})).toEqual([expect.stringMatching(/alex-\d+$/)]);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
