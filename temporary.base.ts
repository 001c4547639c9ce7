import { randomUUID } from 'node:crypto';
import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

/**
 * Returns the path of a temporary folder, which exists while the tests around the call run, and is removed when they
 * have ended in any way. For the top of a test file, or the top of a `describe`.
 */
export function temporaryFolder(): string {
  const folder = join(realpathSync(tmpdir()), `alex-${randomUUID()}`);
  beforeAll(() => mkdirSync(folder));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
