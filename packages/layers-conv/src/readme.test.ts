import { expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';

it('has a README whose snippet runs', async () => {
  const text = await runReadme(import.meta.url);
  expect(text).toContain('1 x 1 x 2 x 2 [ 5421.5, 6532.5, 8754.5, 9865.5 ]');
  expect(text).toContain('[ 11, 14, 20, 23 ]');
});
