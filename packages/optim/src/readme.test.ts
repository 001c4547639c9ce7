import { expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';

it("runs the README's snippet", async () => {
  expect(await runReadme(import.meta.url)).toBe('0.9950\n0.9855\n0.9719\n');
});
