import { expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';

it('has a README whose snippet runs', async () => {
  expect(await runReadme(import.meta.url)).toMatch(/\[ 1, 1, 2, 2 \].*13, 15, 23, 25/);
});
