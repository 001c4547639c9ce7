import { randomUUID } from 'node:crypto';
import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

/**
 * Names a folder for temporary files, which is there while the tests around the call run, and goes with everything in it
 * when they have ended, however they did. For the top of a test file, or the top of a `describe`.
 */
export function temporaryFolder(): string {
  const folder = join(realpathSync(tmpdir()), `alex-${randomUUID()}`);
  beforeAll(() => mkdirSync(folder));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
