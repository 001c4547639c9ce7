import { expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';

it('has a README whose snippet runs', async () => {
  expect(await runReadme(import.meta.url)).toMatch(/paper[\s\S]*12.5,\s+14.86/);
});
