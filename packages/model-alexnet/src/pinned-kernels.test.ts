import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { hashOf, paperHashes, paperKernels } from './testing/pinned-kernels.js';

const file = new URL('../fixtures/kernels.json', import.meta.url);

it("the paper's network compiles to the pinned kernels", async () => {
  const pinned: Record<string, string> = JSON.parse(await readFile(file, 'utf8'));
  const now = paperHashes();
  const names = [...new Set([...Object.keys(pinned), ...Object.keys(now)])];
  const changed = names.filter((name) => pinned[name] !== now[name]);
  const remedy = '`npm run wgsl -- --diff REVISION` shows how, `npm run wgsl -- --update` agrees';
  expect(changed, `kernels changed: ${remedy}`).toEqual([]);
});

it('a change of one letter is a change', () => {
  const [text] = [...paperKernels().values()];
  expect(hashOf(text!)).not.toBe(hashOf(text!.replace('u32', 'i32')));
});
