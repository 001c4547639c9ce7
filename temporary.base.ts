import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/**
 * Makes a folder for temporary files, which goes with everything in it when the tests around the call have ended, however
 * they did. For the top of a test file, or the top of a `describe`.
 */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'alex-')));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
