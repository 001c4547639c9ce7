import { expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';

it("runs the README's snippet", async () => {
  expect(await runReadme(import.meta.url)).toMatch(/^74\.[67]/);
});
