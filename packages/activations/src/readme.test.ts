import { expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';

it("runs the README's snippet", async () => {
  expect(await runReadme(import.meta.url)).toBe('0 0 0.5 2\n0 0 3 4\n');
});
