import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readTests } from '../read-findings.js';
import { runCommand } from '../run-command.js';
import { never } from '../testing.js';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
let folder: string;
beforeAll(async () => {
  // Inside the repository, so that the test files find vitest.
  folder = await mkdtemp(join(root, 'benchmarks', '.readme-'));
});
afterAll(() => rm(folder, { recursive: true }));

test("reports vitest's results: passed, failed and skipped tests, and files that could not be loaded", async () => {
  await writeFile(join(folder, 'vitest.config.mjs'), 'export default {};\n');
  await writeFile(
    join(folder, 'some.test.mjs'),
    `import { describe, expect, test } from 'vitest';
describe('sums', () => {
  test('are right', () => expect(1 + 1).toBe(2));
  test('are wrong', () => expect(1 + 1).toBe(3));
  test.skip('are left out', () => {});
});
`,
  );
  await writeFile(join(folder, 'torn.test.mjs'), `import './missing.mjs';\n`);
  const words = [process.execPath, join(root, 'node_modules/vitest/vitest.mjs'), 'run'] as const;
  const reporter = fileURLToPath(new URL('./test-reporter.ts', import.meta.url));
  const { outcome, output } = await runCommand(
    { words: [...words, `--reporter=${reporter}`], folder },
    never,
    join(folder, 'log'),
  );
  expect(outcome).toBe('failed');
  const finding = readTests(output, 'sums');
  expect(finding).toMatchObject({ passed: 1, failed: 2, skipped: 1 });
  expect(output).toContain('sums > are wrong');
  expect(output).toContain('missing.mjs');
});
