import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { ownFolder } from './own-folder.base.js';

/** Caches of our tools: `tsx` stores translated files. */
const caches = /^(tsx-\d+|node-compile-cache)$/;

/**
 * Gives the tests of a package, and the processes that they start, their own temporary folder; fails if anything is
 * left in it at the end.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const before = process.env['TMPDIR'];
  const folder = await ownFolder(tmpdir(), 'alex-tests-');
  process.env['TMPDIR'] = folder;
  return async () => {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
    const left = (await readdir(folder)).filter((name) => !caches.test(name));
    await rm(folder, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`tests left this in the folder for temporary files: ${left.join(', ')}`);
  };
}
