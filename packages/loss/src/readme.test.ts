import { expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';

it("runs the README's snippet", async () => {
  expect(await runReadme(import.meta.url)).toBe('0.4076 1.0986\n0.0000 0.6667\n');
});
