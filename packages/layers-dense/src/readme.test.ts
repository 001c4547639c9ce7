import { expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';

it('has a README whose snippet runs', async () => {
  expect(await runReadme(import.meta.url)).toContain('1 x 2 [ 4321.5, 0 ]');
});
