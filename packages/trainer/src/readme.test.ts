import { expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';

it('has a README whose snippet runs', async () => {
  expect(await runReadme(import.meta.url)).toMatch(/^validation loss \d+\.\d\d, weights in .*run\n$/);
});
